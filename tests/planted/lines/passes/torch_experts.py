"""PyTorch by hand: a mixture of experts, two of them for each token, with losses for balance and small logits."""

import torch

BALANCE, ZLOSS = 0.3, 0.05


def silu(x):
    return x * torch.sigmoid(x)


def silu_grad(x):
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


@torch.no_grad()
def step(params, tokens, target):
    gate_w, w_in, w_out, b_out = (params[k] for k in ("gate_w", "w_in", "w_out", "b_out"))
    n, experts = tokens.shape[0], gate_w.shape[1]

    # router
    logits = tokens @ gate_w
    lse = torch.logsumexp(logits, 1)
    probs = torch.exp(logits - lse[:, None])
    top, chosen = probs.topk(2, dim=1)
    total = top.sum(1, keepdim=True)
    mixing = top / total
    load = torch.bincount(chosen.flatten(), minlength=experts).to(tokens.dtype) / (2 * n)

    # experts, each with its own tokens
    out = torch.zeros_like(target)
    saved = []
    for e in range(experts):
        rows, slot = torch.nonzero(chosen == e, as_tuple=True)
        x = tokens[rows]
        pre = x @ w_in[e]
        act = silu(pre)
        y = act @ w_out[e] + b_out[e]
        out.index_add_(0, rows, mixing[rows, slot][:, None] * y)
        saved.append((rows, slot, x, pre, act, y))

    err = out - target
    loss = (err**2).mean()
    loss = loss + BALANCE * experts * (load * probs.mean(0)).sum()
    loss = loss + ZLOSS * (lse**2).mean()

    # backward
    g_out = 2 * err / err.numel()
    g = {k: torch.zeros_like(v) for k, v in params.items()}
    g_mixing = torch.zeros_like(mixing)
    for e, (rows, slot, x, pre, act, y) in enumerate(saved):
        g_rows = g_out[rows]
        g_mixing[rows, slot] = (g_rows * y).sum(1)
        g_y = g_rows * mixing[rows, slot][:, None]
        g["w_out"][e] = act.T @ g_y
        g["b_out"][e] = g_y.sum(0)
        g_act = g_y @ w_out[e].T
        g_pre = g_act * silu_grad(pre)
        g["w_in"][e] = x.T @ g_pre

    # mixing = top / total
    g_top = g_mixing / total
    g_total = -(g_mixing * mixing).sum(1, keepdim=True) / total
    g_top = g_top + g_total
    g_probs = torch.zeros_like(probs).scatter_(1, chosen, g_top)
    g_probs += BALANCE * experts * load / n
    g_logits = probs * g_probs
    g_logits -= probs * (probs * g_probs).sum(1, keepdim=True)
    g_lse = 2 * ZLOSS * lse / n
    g_logits += probs * g_lse[:, None]
    g["gate_w"] = tokens.T @ g_logits
    return loss, g


def example(rng):
    shapes = {"gate_w": (4, 3), "w_in": (3, 4, 3), "w_out": (3, 3, 2), "b_out": (3, 2)}
    params = {name: torch.tensor(rng.standard_normal(shape)) for name, shape in shapes.items()}
    tokens = torch.tensor(rng.standard_normal((60, 4)))
    ordered = torch.softmax(tokens @ params["gate_w"], 1).sort(1).values
    tokens = tokens[ordered[:, 1] - ordered[:, 0] > 0.06][:7]  # none near a change of its experts
    return params, (tokens, torch.tensor(rng.standard_normal((7, 2))))

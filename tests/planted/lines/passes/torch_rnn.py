"""A recurrence in PyTorch, its backward pass under `torch.no_grad`, with methods that change tensors in place."""

import torch


def step(params, xs, y):
    Wx, Wh, Wo = params["Wx"], params["Wh"], params["Wo"]
    with torch.no_grad():
        hs = [xs.new_zeros(xs.shape[1], Wh.shape[0])]
        for x in xs:
            hs.append(torch.tanh(x.mm(Wx) + hs[-1].mm(Wh)))
        logits = hs[-1].mm(Wo)
        logp = logits - torch.logsumexp(logits, dim=1, keepdim=True)
        loss = -logp.gather(1, y.unsqueeze(1)).mean()

        dlogits = logp.exp()
        dlogits[torch.arange(len(y)), y] -= 1
        dlogits.div_(len(y))
        dWo = hs[-1].t().mm(dlogits)
        dWx, dWh = torch.zeros_like(Wx), torch.zeros_like(Wh)
        dh = dlogits.mm(Wo.t())
        for t in range(len(xs) - 1, -1, -1):
            da = dh * (1 - hs[t + 1].pow(2))
            dWx.add_(xs[t].t().mm(da))
            dWh.add_(hs[t].t().mm(da))
            dh = da.mm(Wh.t())
    return loss, {"Wx": dWx, "Wh": dWh, "Wo": dWo}


def example(rng):
    shapes = {"Wx": (3, 4), "Wh": (4, 4), "Wo": (4, 3)}
    params = {name: torch.tensor(rng.standard_normal(shape)) for name, shape in shapes.items()}
    return params, (torch.tensor(rng.standard_normal((4, 5, 3))), torch.tensor(rng.integers(0, 3, 5)))

"""Attention with several heads by einsum: a walrus, lambdas and nested functions on the way."""

import numpy as np

split = lambda a, heads: a.reshape(*a.shape[:-1], heads, -1)  # noqa: E731
merge = lambda a: a.reshape(*a.shape[:-2], -1)  # noqa: E731


def step(params, x, labels, heads=2):
    qkv = np.einsum("btd,kde->kbte", x, params["Wqkv"])
    q, k, v = (split(each, heads) for each in qkv)
    scale = 1 / np.sqrt(q.shape[-1])
    scores = np.einsum("bthe,bshe->bhts", q, k) * scale
    scores = scores - scores.max(axis=-1, keepdims=True)
    att = (e := np.exp(scores)) / e.sum(axis=-1, keepdims=True)
    mixed = merge(np.einsum("bhts,bshe->bthe", att, v))
    z = x + mixed @ params["Wo"]
    pooled = z.mean(axis=1)
    logits = pooled @ params["Wc"]
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    loss = -logp[rows, labels].mean()

    def softmax_back(p, g):
        return p * (g - np.einsum("...i,...i->...", p, g)[..., None])

    glogits = np.exp(logp)
    glogits[rows, labels] -= 1
    gWc = pooled.T @ (glogits := glogits / len(x))
    gz = np.repeat((glogits @ params["Wc"].T)[:, None, :], x.shape[1], axis=1) / x.shape[1]
    gWo = np.einsum("bti,btj->ij", mixed, gz)
    gmixed = split(gz @ params["Wo"].T, heads)
    gatt = np.einsum("bthe,bshe->bhts", gmixed, v)
    gv = np.einsum("bhts,bthe->bshe", att, gmixed)
    gscores = softmax_back(att, gatt) * scale
    gq = np.einsum("bhts,bshe->bthe", gscores, k)
    gk = np.einsum("bhts,bthe->bshe", gscores, q)
    gqkv = np.stack([merge(each) for each in (gq, gk, gv)])
    gWqkv = np.einsum("btd,kbte->kde", x, gqkv)
    return loss, {"Wqkv": gWqkv, "Wo": gWo, "Wc": gWc}


def example(rng):
    shapes = {"Wqkv": (3, 4, 4), "Wo": (4, 4), "Wc": (4, 3)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.standard_normal((3, 3, 4)), rng.integers(0, 3, 3))

"""Einsum throughout, the gradients in the dict that is returned: low-rank bilinear scores under a log-softmax."""

import numpy as np


def step(params, x, z, y):
    A, B, s = (params[name] for name in ("A", "B", "s"))
    u, v = np.einsum("ni,ir->nr", x, A), np.einsum("nj,jr->nr", z, B)
    scores = np.einsum("nr,nr,rc->nc", u, v, s)
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    g = (p - np.eye(s.shape[1])[y]) / len(y)
    duv = np.einsum("nc,rc->nr", g, s)
    return loss, {
        "A": np.einsum("ni,nr,nr->ir", x, duv, v),
        "B": np.einsum("nj,nr,nr->jr", z, duv, u),
        "s": np.einsum("nr,nr,nc->rc", u, v, g),
    }


def example(rng):
    params = {
        "A": rng.standard_normal((4, 3)),
        "B": rng.standard_normal((5, 3)),
        "s": rng.standard_normal((3, 4)),
    }
    return params, (rng.standard_normal((6, 4)), rng.standard_normal((6, 5)), rng.integers(0, 4, 6))

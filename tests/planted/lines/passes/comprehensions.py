"""Lists over the layers, filled by comprehensions; the parameters, and the gradients, are pairs (W, b) in a list."""

from itertools import pairwise

import numpy as np


def step(layers, x, t):
    hs = [x]
    for W, b in layers[:-1]:
        hs.append(np.arctan(hs[-1] @ W + b))
    zs = [h @ W + b for h, (W, b) in zip(hs, layers, strict=True)]
    y = zs[-1]
    loss = np.log(np.cosh(y - t)).sum(axis=1).mean()

    deltas = [np.tanh(y - t) / len(x)]
    for z, (W, _) in zip(zs[-2::-1], layers[:0:-1], strict=True):
        deltas.append(deltas[-1] @ W.T / (1 + z**2))
    deltas = deltas[::-1]
    return loss, [(h.T @ d, d.sum(axis=0)) for h, d in zip(hs, deltas, strict=True)]


def example(rng):
    sizes = (3, 5, 4, 2)
    layers = [(rng.standard_normal((i, o)), rng.standard_normal(o)) for i, o in pairwise(sizes)]
    return layers, (rng.standard_normal((6, 3)), rng.standard_normal((6, 2)))

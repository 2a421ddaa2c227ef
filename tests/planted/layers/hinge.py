"""Hinge loss of Crammer and Singer: L = mean over n of Σ_c max(0, s_c - s_label + 1), scores s = x W."""

import numpy as np
from planted.layers.layer import Layer, Slip, one_hot


def margins(x, W, labels):
    scores = x @ W
    own = one_hot(labels, W.shape[1], W)
    return (scores - (scores * own).sum(-1, keepdims=True) + 1) * (1 - own), own


def forward(x, W, labels):
    m, _ = margins(x, W, labels)
    return (m * (m.real > 0)).sum() / len(x)


def backward(dloss, x, W, labels):
    m, own = margins(x, W, labels)
    ds = (m.real > 0) * (0 * m + 1)
    ds = ds - own * ds.sum(-1, keepdims=True)
    ds = dloss * ds / len(x)
    return ds @ W.T, x.T @ ds, None


def inputs(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), np.array([0, 3, 1, 2, 1])


LAYER = Layer(
    "hinge",
    forward,
    backward,
    inputs,
    (
        Slip("own class left out", " - own * ds.sum(-1, keepdims=True)", "", ("sum-not-zero", "delta-wrong")),
        Slip(
            "own class counted once",
            "own * ds.sum(-1, keepdims=True)",
            "own",
            ("sum-not-zero", "delta-wrong"),
        ),
        Slip("margins for their mask", "(m.real > 0) * (0 * m + 1)", "m * (m.real > 0)", ("delta-wrong",)),
        Slip("sum for mean", " / len(x)", "", ("constant-factor",)),
        Slip("margin of zero", "m.real > 0", "m.real > 1", ("delta-wrong",)),
        Slip("sign", "x.T @ ds", "-x.T @ ds", ("sign",)),
        Slip("every margin", "(m.real > 0) * (0 * m + 1)", "(1 - own)", ("delta-wrong",)),
        Slip("own class added", "ds - own", "ds + own", ("sum-not-zero", "delta-wrong")),
        Slip("regularised", "x.T @ ds", "x.T @ ds + 0.1 * W", ("weight-decay-extra",)),
        Slip("upstream left out", "dloss * ds", "ds", ("upstream-ignored",)),
    ),
)

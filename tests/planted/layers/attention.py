"""Attention with a mask: y = softmax(q kᵀ / √d) v, with q (t, d), k (s, d), v (s, o), mask (t, s) of truth values."""

import numpy as np
from planted.layers.layer import Layer, Slip, largest, library_of

HIDDEN = -1e9


def weights(q, k, mask):
    lib = library_of(q)
    scores = lib.where(mask, q @ k.T / q.shape[-1] ** 0.5, HIDDEN + 0 * (q @ k.T))
    e = lib.exp(scores - largest(scores.real if scores.dtype == complex else scores))
    return e / e.sum(-1, keepdims=True)


def forward(q, k, v, mask):
    return weights(q, k, mask) @ v


def backward(dy, q, k, v, mask):
    p = weights(q, k, mask)
    dp = dy @ v.T
    inner = (dp * p).sum(-1, keepdims=True)
    ds = p * (dp - inner) / q.shape[-1] ** 0.5
    return ds @ k, ds.T @ q, p.T @ dy, None


def inputs(rng):
    mask = np.tril(np.ones((4, 5), bool), 1)
    return rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), mask


LAYER = Layer(
    "attention",
    forward,
    backward,
    inputs,
    (
        Slip("scale left out", " / q.shape[-1] ** 0.5", "", ("constant-factor",)),
        Slip("scale without its root", "** 0.5", "** 1.0", ("constant-factor",)),
        Slip("softmax without its sum", "p * (dp - inner)", "p * dp", ("delta-wrong",)),
        Slip(
            "softmax by its diagonal",
            "p * (dp - inner)",
            "p * (1 - p) * dp",
            ("delta-wrong",),
        ),
        Slip(
            "sum over the queries",
            "(dp * p).sum(-1, keepdims=True)",
            "(dp * p).sum(0)",
            ("sum-not-zero", "delta-wrong"),
        ),
        Slip("k for dk", "ds.T @ q", "k", ("upstream-ignored",)),
        Slip("dv from the upstream alone", "p.T @ dy", "(0 * p + 1).T @ dy", ("summed-over-too-many-axes",)),
        Slip("sign of dk", "ds.T @ q", "-ds.T @ q", ("sign",)),
        Slip("q for k in dq", "ds @ k", "(ds.T @ q)[:4]", ("swapped-tensors",)),
        Slip("upstream of the first query", "p.T @ dy", "p.T @ (dy[:1] + 0 * dy)", ("only-first-upstream",)),
    ),
)

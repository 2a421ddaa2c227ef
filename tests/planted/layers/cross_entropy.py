"""Cross-entropy of logits, sample by sample: l = log Σ exp z - z[label], with z (n, c), labels (n,) and l (n,)."""

import numpy as np
from planted.layers.layer import Layer, Slip, largest, library_of


def shifted(z):
    return z - largest(z.real if z.dtype == complex else z)


def chosen(z, labels):
    return labels[:, None] == library_of(z).arange(z.shape[-1])


def forward(z, labels):
    lib, s = library_of(z), shifted(z)
    return lib.log(lib.exp(s).sum(-1)) - (s * chosen(z, labels)).sum(-1)


def backward(dl, z, labels):
    lib = library_of(z)
    e = lib.exp(shifted(z))
    p = e / e.sum(-1, keepdims=True)
    d = lib.where(chosen(z, labels), p - 1, p)
    return dl[:, None] * d, None


def through_softmax(p, d):
    return p * (d - (d * p).sum(-1, keepdims=True))


def inputs(rng):
    return rng.normal(size=(4, 5)), np.array([0, 3, 1, 3])


LAYER = Layer(
    "cross-entropy",
    forward,
    backward,
    inputs,
    (
        Slip(
            "one softmax derivative too many",
            "* d,",
            "* through_softmax(p, d),",
            ("softmax-applied-twice", "unknown"),
        ),
        Slip("averaged", "* d,", "* d / len(z),", ("constant-factor",)),
        Slip("the upstream is left out", "dl[:, None] * d", "d", ("upstream-ignored",)),
        Slip("the first upstream for all", "dl[:, None]", "dl[0]", ("only-first-upstream",)),
        Slip("the mean upstream for all", "dl[:, None]", "dl.mean()", ("unknown",)),
        Slip("the label is left out", "* d,", "* p,", ("unknown",)),
        Slip("labels count from one", "labels), p - 1", "labels - 1), p - 1", ("labels-shifted", "unknown")),
        Slip(
            "normalised over the batch",
            "e.sum(-1, keepdims=True)",
            "e.sum(0)",
            ("softmax-wrong-axis", "unknown"),
        ),
        Slip("sign", "* d,", "* -d,", ("sign",)),
    ),
)

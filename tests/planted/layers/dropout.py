"""Dropout with a mask that is given: y = x m / q, with x (n, d), m (n, d) of 0 and 1, q the share that is kept."""

import numpy as np
from planted.layers.layer import Layer, Slip

KEPT = 0.8


def forward(x, mask):
    return x * mask / KEPT


def backward(dy, x, mask):
    return dy * mask / KEPT, None


def inputs(rng):
    return rng.normal(size=(4, 6)), np.asarray(rng.random((4, 6)) < KEPT)


LAYER = Layer(
    "dropout",
    forward,
    backward,
    inputs,
    (
        Slip("not scaled", " / KEPT", "", ("constant-factor",)),
        Slip("scaled the other way", "/ KEPT", "* KEPT", ("constant-factor",)),
        Slip("mask left out", "dy * mask", "dy", ("terms-too-many",)),
        Slip("mask of the first sample", "dy * mask", "dy * mask[:1]", ("other-terms",)),
        Slip("the other mask", "dy * mask", "dy * (mask == 0)", ("local-derivative",)),
        Slip("mask of y", "dy * mask", "dy * (x > 0)", ("other-terms",)),
        Slip("upstream left out", "dy * mask", "(0 * dy + 1) * mask", ("upstream-ignored",)),
        Slip("times x", "dy * mask", "dy * mask * x", ("log-parameter",)),
        Slip("sign", "dy * mask", "-dy * mask", ("sign",)),
    ),
)

"""Dropout with a mask that is given: y = x mask / k, where the share k is kept; x (n, i)."""

import numpy as np
from planted.layers.layer import Layer, Slip

KEPT = 0.75


def forward(x, mask):
    return x * mask / KEPT


def backward(dy, x, mask):
    return dy * mask / KEPT, None


def inputs(rng):
    mask = np.ones((3, 4), bool)
    mask[[0, 1, 2], [1, 3, 0]] = False
    return rng.normal(size=(3, 4)), mask


LAYER = Layer(
    "dropout",
    forward,
    backward,
    inputs,
    (
        Slip("not scaled", " / KEPT", "", ("constant-factor",)),
        Slip("multiplied by the share", "/ KEPT", "* KEPT", ("constant-factor",)),
        Slip("the mask is left out", "dy * mask", "dy", ("unknown",)),
        Slip("the mask of what is dropped", "dy * mask", "dy * ~mask", ("unknown",)),
        Slip("the first sample's mask", "dy * mask", "dy * mask[:1]", ("unknown",)),
        Slip("x for the upstream", "dy * mask", "x * mask", ("upstream-ignored",)),
        Slip("x beside the upstream", "dy * mask", "dy * x * mask", ("unknown",)),
    ),
)

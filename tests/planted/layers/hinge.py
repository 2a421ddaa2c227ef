"""Hinge loss, sample by sample: l = Σ max(0, z - z[label] + 1) over the other classes, with z (n, c) and l (n,)."""

import numpy as np
from planted.layers.layer import Layer, Slip, library_of


def margins(z, labels):
    right = labels[:, None] == library_of(z).arange(z.shape[-1])
    return right, library_of(z).where(right, 0 * z, z - (z * right).sum(-1, keepdims=True) + 1)


def forward(z, labels):
    m = margins(z, labels)[1]
    return (m * (m > 0)).sum(-1)


def backward(dl, z, labels):
    right, m = margins(z, labels)
    above = 0 * z + (m > 0)
    count = above.sum(-1, keepdims=True)
    return dl[:, None] * library_of(z).where(right, -count, above), None


def inputs(rng):
    return rng.normal(size=(4, 5)), np.array([0, 3, 1, 3])


LAYER = Layer(
    "hinge",
    forward,
    backward,
    inputs,
    (
        Slip("the right class is left out", "right, -count, above", "right, 0 * above, above", ("unknown",)),
        Slip(
            "the right class counts once",
            "right, -count, above",
            "right, -1 + 0 * above, above",
            ("unknown",),
        ),
        Slip("sign of the right class", "right, -count", "right, count", ("unknown",)),
        Slip("the margin for its mask", "+ (m > 0)", "+ m * (m > 0)", ("unknown",)),
        Slip("every class counts", "+ (m > 0)", "+ 1", ("unknown",)),
        Slip("averaged", "dl[:, None] *", "dl[:, None] / len(z) *", ("constant-factor",)),
        Slip("the first upstream for all", "dl[:, None]", "dl[0]", ("only-first-upstream",)),
        Slip("counted over the batch", "above.sum(-1, keepdims=True)", "above.sum(0)", ("unknown",)),
    ),
)

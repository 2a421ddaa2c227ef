"""Embedding: y = table[index], with table (k, d) and index (n,), in which numbers occur twice."""

import numpy as np
from planted.layers.layer import Layer, Slip, like


def forward(table, index):
    return table[index]


def backward(dy, table, index):
    rows = like(np.eye(len(table)), table)[index]
    return rows.T @ dy, None


def inputs(rng):
    return rng.normal(size=(5, 3)), np.array([0, 2, 2, 4, 0, 1])


LAYER = Layer(
    "embedding",
    forward,
    backward,
    inputs,
    (
        Slip(
            "averaged over equal numbers",
            "rows.T @ dy",
            "(rows / rows.sum(0)[index][:, None]).T @ dy",
            ("unknown",),
        ),
        Slip("averaged", "rows.T @ dy", "rows.T @ dy / len(index)", ("constant-factor",)),
        Slip("numbers count from one", ")[index]", ")[index - 1]", ("unknown",)),
        Slip("the upstream is left out", "rows.T @ dy", "rows.T @ (0 * dy + 1)", ("upstream-ignored",)),
        Slip("the table beside it", "rows.T @ dy", "rows.T @ dy + 0.1 * table", ("weight-decay-extra",)),
        Slip("each number once", "rows.T @ dy", "rows[:4].T @ dy[:4]", ("unknown",)),
        Slip("sign", "rows.T @ dy", "-rows.T @ dy", ("sign",)),
    ),
)

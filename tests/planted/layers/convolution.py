"""Convolution with stride 2, padding 1 and two groups: x (n, g, c, h, w), W (g, o, c, k, l), b (g, o).

The input under each entry (k, l) of the filter is S x Tᵀ, where S (a, h) and T (b, w) pick rows and columns, and
leave out what lies in the padding.
"""

import numpy as np
from planted.layers.layer import Layer, Slip, library_of, like

STRIDE, PADDING, FILTER = 2, 1, 3


def picked(x, length, offset):
    """The rows (a, h) under one row of the filter."""
    count = (length + 2 * PADDING - FILTER) // STRIDE + 1
    matrix = np.zeros((count, length))
    for a in range(count):
        if 0 <= a * STRIDE + offset - PADDING < length:
            matrix[a, a * STRIDE + offset - PADDING] = 1
    return like(matrix, x)


def offsets(x):
    for k in range(FILTER):
        for j in range(FILTER):
            yield k, j, picked(x, x.shape[-2], k), picked(x, x.shape[-1], j)


def forward(x, W, b):
    lib = library_of(x)
    y = b[:, :, None, None]
    for k, j, S, T in offsets(x):
        y = y + lib.einsum("ngcab,goc->ngoab", S @ x @ T.T, W[:, :, :, k, j])
    return y


def backward(dy, x, W, b):
    lib, dx, dW = library_of(x), 0 * x, []
    for k, j, S, T in offsets(x):
        dx = dx + S.T @ lib.einsum("ngoab,goc->ngcab", dy, W[:, :, :, k, j]) @ T
        dW.append(lib.einsum("ngoab,ngcab->goc", dy, S @ x @ T.T))
    stacked = lib.stack(dW, -1).reshape(W.shape)
    return dx, stacked, dy.sum((0, 3, 4))


def inputs(rng):
    return rng.normal(size=(2, 2, 1, 4, 3)), rng.normal(size=(2, 2, 1, 3, 3)), rng.normal(size=(2, 2))


LAYER = Layer(
    "convolution",
    forward,
    backward,
    inputs,
    (
        Slip(
            "the filter is turned round", "dy, W[:, :, :, k, j]", "dy, W[:, :, :, 2 - k, 2 - j]", ("unknown",)
        ),
        Slip("dW is turned round", "lib.stack(dW, -1)", "lib.stack(dW[::-1], -1)", ("unknown",)),
        Slip("the filter's axes are exchanged", "dy, W[:, :, :, k, j]", "dy, W[:, :, :, j, k]", ("unknown",)),
        Slip("db not summed over the batch", "dy.sum((0, 3, 4))", "dy.sum((3, 4))", ("wrong-shape",)),
        Slip("db of the first sample", "dy.sum((0, 3, 4))", "dy[0].sum((2, 3))", ("only-first-upstream",)),
        Slip("averaged db", "dy.sum((0, 3, 4))", "dy.mean((0, 3, 4))", ("constant-factor",)),
        Slip("the last offset alone in dx", "dx = dx + S.T", "dx = S.T", ("unknown",)),
        Slip("averaged dW", "dx, stacked", "dx, stacked / len(x)", ("constant-factor",)),
        Slip("groups exchanged", 'goc->ngcab", dy,', 'goc->ngcab", dy[:, [1, 0]],', ("unknown",)),
    ),
)

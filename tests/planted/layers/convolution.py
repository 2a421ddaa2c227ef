"""Convolution with stride 2, padding 1 and two groups: x (n, c, h, w), W (o, c/2, 3, 3), b (o,), y (n, o, p, q).

    y[n, o, p, q] = b[o] + Σ W[o, c, a, b] x[n, c, 2p + a - 1, 2q + b - 1]

Which entry of x lies under which entry of the kernel is an array of 0 and 1: S[a, p, h] is 1 where h = 2p + a - 1.
"""

import numpy as np
from planted.layers.layer import Layer, Slip, library_of, like

STRIDE, PADDING, GROUPS = 2, 1, 2


def under(size, x):
    """S (a, p, h), for x of this size along an axis."""
    count = (size + 2 * PADDING - 3) // STRIDE + 1
    a, p, h = np.ogrid[:3, :count, :size]
    return like(h == STRIDE * p + a - PADDING, x)


def patches(x):
    """The entries of x under the kernel (n, g, c, a, b, p, q)."""
    n, c, h, w = x.shape
    grouped = x.reshape(n, GROUPS, c // GROUPS, h, w)
    return library_of(x).einsum("aph,bqw,ngchw->ngcabpq", under(h, x), under(w, x), grouped)


def by_group(array, axis):
    shape = array.shape
    return array.reshape(*shape[:axis], GROUPS, shape[axis] // GROUPS, *shape[axis + 1 :])


def forward(x, W, b):
    y = library_of(x).einsum("ngcabpq,gocab->ngopq", patches(x), by_group(W, 0))
    return y.reshape(y.shape[0], -1, *y.shape[3:]) + b[:, None, None]


def backward(dy, x, W, b):
    einsum = library_of(x).einsum
    d = by_group(dy, 1)
    dW = einsum("ngcabpq,ngopq->gocab", patches(x), d).reshape(W.shape)
    dpatches = einsum("gocab,ngopq->ngcabpq", by_group(W, 0), d)
    rows, columns = under(x.shape[2], x), under(x.shape[3], x)
    dx = einsum("aph,bqw,ngcabpq->ngchw", rows, columns, dpatches).reshape(x.shape)
    return dx, dW, dy.sum((0, 2, 3))


def inputs(rng):
    return rng.normal(size=(2, 2, 4, 4)), rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4)


LAYER = Layer(
    "convolution",
    forward,
    backward,
    inputs,
    (
        Slip(
            "kernel flipped in dx",
            "by_group(W, 0), d)",
            "library_of(x).flip(by_group(W, 0), (3, 4)), d)",
            ("other-input",),
        ),
        Slip(
            "kernel flipped in dW",
            "return dx, dW,",
            "return dx, library_of(x).flip(dW, (2, 3)),",
            ("reordered",),
        ),
        Slip("kernel transposed", '"gocab,ngopq->ngcabpq"', '"gocba,ngopq->ngcabpq"', ("other-input",)),
        Slip("dW transposed", '"ngcabpq,ngopq->gocab"', '"ngcabpq,ngopq->gocba"', ("reordered",)),
        Slip(
            "groups exchanged",
            "d = by_group(dy, 1)",
            "d = by_group(dy, 1)[:, np.array([1, 0])]",
            ("upstream-reordered",),
        ),
        Slip(
            "averaged over the batch",
            "dy.sum((0, 2, 3))",
            "dy.sum((0, 2, 3)) / len(dy)",
            ("constant-factor",),
        ),
        Slip("db of one position", "dy.sum((0, 2, 3))", "dy[:, :, 0, 0].sum(0)", ("upstream-left-out",)),
        Slip("db not summed over the image", "dy.sum((0, 2, 3))", "dy.sum(0)", ("axes-not-summed",)),
        Slip(
            "last row left out",
            'ngcabpq->ngchw", rows,',
            'ngcabpq->ngchw", rows * (rows.sum(2, keepdims=True) > 0) * like(np.arange(4) < 3, x),',
            ("entries-left-out",),
        ),
        Slip(
            "dx of the corner alone",
            "rows, columns, dpatches",
            "rows[:1], columns, dpatches[:, :, :, :1]",
            ("terms-left-out",),
        ),
        Slip(
            "padding forgotten in the rows of dx",
            "rows, columns = under(x.shape[2], x)",
            "rows, columns = under(x.shape[2], x)[:, :, np.array([1, 2, 3, 0])]",
            ("reordered",),
        ),
    ),
)

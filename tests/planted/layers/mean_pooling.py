"""Mean pooling over windows of 2 x 2: x (n, c, h, w) to y (n, c, h/2, w/2)."""

from planted.layers.layer import Layer, Slip, library_of


def forward(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def repeated(dy, axis):
    lib = library_of(dy)
    doubled = lib.stack([dy, dy], axis + 1)
    shape = list(dy.shape)
    shape[axis] *= 2
    return doubled.reshape(tuple(shape))


def backward(dy, x):
    return repeated(repeated(dy, 2), 3) / 4


def inputs(rng):
    return (rng.normal(size=(1, 2, 4, 4)),)


LAYER = Layer(
    "mean pooling",
    forward,
    backward,
    inputs,
    (
        Slip("not divided", " / 4", "", ("constant-factor",)),
        Slip("divided by the width", "/ 4", "/ 2", ("constant-factor",)),
        Slip(
            "tiled, not repeated",
            "repeated(repeated(dy, 2), 3)",
            "repeated(library_of(dy).stack([dy[..., 0], dy[..., 1]] * 2, -1), 2)",
            ("reordered",),
        ),
        Slip("to the largest entry", "/ 4", "/ 4 * (x > 0)", ("entries-left-out",)),
        Slip(
            "summed over the channels",
            "repeated(dy, 2)",
            "repeated(dy.sum(1, keepdims=True) + 0 * dy, 2)",
            ("summed-over-too-many-axes",),
        ),
        Slip(
            "transposed windows",
            "repeated(dy, 2)",
            "repeated(library_of(dy).swapaxes(dy, 2, 3), 2)",
            ("reordered",),
        ),
        Slip(
            "first channel for all",
            "repeated(dy, 2)",
            "repeated(dy[:, :1] + 0 * dy, 2)",
            ("only-first-upstream",),
        ),
        Slip("times x", "/ 4", "/ 4 * x", ("log-parameter",)),
        Slip("sign", "/ 4", "/ -4", ("sign",)),
    ),
)

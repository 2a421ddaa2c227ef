"""Affine: y = x W + b, with x (n, i), W (i, o), b (o,)."""

from planted.layers.layer import Layer, Slip


def forward(x, W, b):
    return x @ W + b


def backward(dy, x, W, b):
    return dy @ W.T, x.T @ dy, dy.sum(0)


def inputs(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)


LAYER = Layer(
    "affine",
    forward,
    backward,
    inputs,
    (
        Slip("W is not transposed", "dy @ W.T", "dy @ W", ("other-input",)),
        Slip("dW is transposed", "x.T @ dy", "dy.T @ x", ("transposed",)),
        Slip("mean for sum in db", "dy.sum(0)", "dy.mean(0)", ("constant-factor",)),
        Slip("db not summed", "dy.sum(0)", "dy", ("axes-not-summed",)),
        Slip("db summed over everything", "dy.sum(0)", "dy.sum()", ("summed-over-too-many-axes",)),
        Slip("db of the first sample", "dy.sum(0)", "dy[0]", ("only-first-upstream",)),
        Slip("upstream left out of dW", "x.T @ dy", "x.T @ (0 * dy + 1)", ("upstream-ignored",)),
        Slip("sign of dW", "x.T @ dy", "-x.T @ dy", ("sign",)),
        Slip("averaged dW", "x.T @ dy", "x.T @ dy / len(x)", ("constant-factor",)),
        Slip("weight decay in dW", "x.T @ dy", "x.T @ dy + 0.01 * W", ("weight-decay-extra",)),
    ),
)

"""Relu: y = max(x, 0), with x (n, i)."""

from planted.layers.layer import Layer, Slip


def forward(x):
    return x * (x > 0)


def backward(dy, x):
    return dy * (x > 0)


def inputs(rng):
    return (rng.normal(size=(3, 4)),)


LAYER = Layer(
    "relu",
    forward,
    backward,
    inputs,
    (
        Slip("the mask is left out", "dy * (x > 0)", "dy", ("unknown",)),
        Slip("the mask of the upstream", "(x > 0)", "(dy > 0)", ("not-linear-in-upstream",)),
        Slip("the other side", "(x > 0)", "(x < 0)", ("unknown",)),
        Slip("x for its mask", "(x > 0)", "x", ("unknown",)),
        Slip("the mask is added", "dy * (x > 0)", "dy + (x > 0)", ("not-linear-in-upstream",)),
        Slip("an edge at one half", "(x > 0)", "(x > 0.5)", ("unknown",)),
        Slip("the first sample's mask", "(x > 0)", "(x[:1] > 0)", ("unknown",)),
        Slip("sign", "dy * (x > 0)", "-dy * (x > 0)", ("sign",)),
    ),
)

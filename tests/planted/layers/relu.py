"""ReLU: y = max(x, 0), with x of any shape."""

from planted.layers.layer import Layer, Slip, library_of


def forward(x):
    return x * (x.real > 0) if library_of(x).__name__ == "numpy" else x * (x > 0)


def backward(dy, x):
    return dy * (x > 0)


def inputs(rng):
    return (rng.normal(size=(4, 5)),)


LAYER = Layer(
    "relu",
    forward,
    backward,
    inputs,
    (
        Slip("relu of the upstream", "dy * (x > 0)", "dy * (dy > 0)", ("relu-of-delta",)),
        Slip("no mask", "dy * (x > 0)", "1 * dy", ("terms-too-many",)),
        Slip("the mask alone", "dy * (x > 0)", "(0 * dy + 1) * (x > 0)", ("upstream-ignored",)),
        Slip("the mask of the other side", "x > 0", "x < 0", ("local-derivative",)),
        Slip("mask of the first row", "x > 0", "x[:1] > 0", ("other-terms",)),
        Slip("a leak", "(x > 0)", "((x > 0) + 0.01 * (x <= 0))", ("local-derivative",)),
        Slip("times y", "(x > 0)", "(x > 0) * x", ("log-parameter",)),
        Slip("edge at one", "x > 0", "x > 1", ("zero-gradient",)),
        Slip("sign", "dy *", "-dy *", ("sign",)),
    ),
)

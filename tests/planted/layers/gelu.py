"""Gelu: y = x Φ(x), and its form by tanh: y = x (1 + tanh c(x + a x³)) / 2, with x (n, i)."""

import math

from planted.layers.layer import Layer, Slip, erf, library_of

C, A = math.sqrt(2 / math.pi), 0.044715


def exact(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def exact_backward(dy, x):
    cumulative = 0.5 * (1 + erf(x / math.sqrt(2)))
    density = library_of(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return dy * (cumulative + x * density)


def by_tanh(x):
    return 0.5 * x * (1 + library_of(x).tanh(C * (x + A * x * x * x)))


def by_tanh_backward(dy, x):
    t = library_of(x).tanh(C * (x + A * x * x * x))
    inner = C * (1 + 3 * A * x * x)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


def inputs(rng):
    return (rng.normal(size=(3, 4)),)


LAYERS = (
    Layer(
        "gelu",
        exact,
        exact_backward,
        inputs,
        (
            Slip("the second term is left out", " + x * density", "", ("unknown",)),
            Slip("the density without x", "x * density", "density", ("unknown",)),
            Slip("the first term is left out", "cumulative + x", "x", ("unknown",)),
            Slip("the density is not normalised", " / math.sqrt(2 * math.pi)", "", ("unknown",)),
            Slip("half left out of the exponent", "x * x / 2", "x * x", ("unknown",)),
            Slip("the root of two left out", "erf(x / math.sqrt(2))", "erf(x)", ("unknown",)),
            Slip("sign of the second term", "+ x * density", "- x * density", ("unknown",)),
            Slip("the upstream of the first sample", "dy * (", "dy[:1] * (", ("only-first-upstream",)),
        ),
    ),
    Layer(
        "gelu by tanh",
        by_tanh,
        by_tanh_backward,
        inputs,
        (
            Slip("three left out", "1 + 3 * A", "1 + A", ("unknown",)),
            Slip("the inner derivative is left out", " * inner", "", ("unknown",)),
            Slip("c left out", "C * (1 + 3", "(1 + 3", ("unknown",)),
            Slip("the second term is left out", " + 0.5 * x * (1 - t * t) * inner", "", ("unknown",)),
            Slip("tanh' without its square", "(1 - t * t)", "(1 - t)", ("unknown",)),
            Slip("a half left out", "0.5 * x * (1 - t", "x * (1 - t", ("unknown",)),
            Slip(
                "the derivative of the exact form",
                "dy * (0.5",
                "exact_backward(dy, x) + 0 * (0.5",
                ("unknown",),
            ),
        ),
    ),
)

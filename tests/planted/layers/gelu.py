"""GELU in both forms: y = x Φ(x), and y = x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³)."""

import numpy as np
from planted.layers.layer import Layer, Slip, erf, library_of

ROOT = float(np.sqrt(2 / np.pi))
CUBIC = 0.044715


def forward(x):
    return x * (1 + erf(x / 2**0.5)) / 2


def backward(dy, x):
    phi = library_of(x).exp(-x * x / 2) / (2 * np.pi) ** 0.5
    cdf = (1 + erf(x / 2**0.5)) / 2
    return dy * (cdf + x * phi)


def forward_tanh(x):
    return x * (1 + library_of(x).tanh(ROOT * (x + CUBIC * x**3))) / 2


def backward_tanh(dy, x):
    t = library_of(x).tanh(ROOT * (x + CUBIC * x**3))
    inner = ROOT * (1 + 3 * CUBIC * x**2)
    return dy * ((1 + t) / 2 + x * (1 - t**2) * inner / 2)


def inputs(rng):
    return (rng.normal(size=(4, 5)),)


LAYERS = (
    Layer(
        "gelu",
        forward,
        backward,
        inputs,
        (
            Slip("no derivative", "dy * (cdf + x * phi)", "1 * dy", ("activation-derivative-missing",)),
            Slip("second term left out", "cdf + x * phi", "cdf", ("local-derivative",)),
            Slip("first term left out", "cdf + x * phi", "x * phi", ("local-derivative",)),
            Slip("density without x", "cdf + x * phi", "cdf + phi", ("local-derivative",)),
            Slip("density without its square", "-x * x / 2", "-x / 2", ("local-derivative",)),
            Slip("density without its half", "-x * x / 2", "-x * x", ("local-derivative",)),
            Slip("sign of the second term", "cdf + x", "cdf - x", ("local-derivative",)),
            Slip(
                "upstream left out of a term",
                "dy * (cdf + x * phi)",
                "dy * cdf + x * phi",
                ("not-linear-in-upstream",),
            ),
            Slip("relu's derivative", "(cdf + x * phi)", "(x > 0)", ("local-derivative",)),
        ),
    ),
    Layer(
        "gelu by tanh",
        forward_tanh,
        backward_tanh,
        inputs,
        (
            Slip("tanh' without its square", "1 - t**2", "1 - t", ("local-derivative",)),
            Slip("inner derivative left out", " * inner / 2", " / 2", ("local-derivative",)),
            Slip("cubic without its 3", "1 + 3 * CUBIC", "1 + CUBIC", ("local-derivative",)),
            Slip("second term left out", " + x * (1 - t**2) * inner / 2", "", ("local-derivative",)),
            Slip("half of the first term left out", "(1 + t) / 2", "(1 + t)", ("local-derivative",)),
            Slip("square for cube", "CUBIC * x**3", "CUBIC * x**2", ("local-derivative",)),
            Slip(
                "no derivative",
                "dy * ((1 + t) / 2 + x * (1 - t**2) * inner / 2)",
                "1 * dy",
                ("activation-derivative-missing",),
            ),
        ),
    ),
)

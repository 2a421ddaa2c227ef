"""RMS normalisation: y = γ x / r with r = √(mean x² + ε) over the features, x (n, d), γ (d,)."""

from planted.layers.layer import Layer, Slip

EPSILON = 1e-6


def root(x):
    return ((x * x).mean(-1, keepdims=True) + EPSILON) ** 0.5


def forward(x, gamma):
    return gamma * x / root(x)


def backward(dy, x, gamma):
    r = root(x)
    g = gamma * dy
    along = (g * x).mean(-1, keepdims=True)
    dx = g / r - x * along / r**3
    return dx, (dy * x / r).sum(0)


def inputs(rng):
    return rng.normal(size=(4, 6)), rng.normal(size=6)


LAYER = Layer(
    "rms normalisation",
    forward,
    backward,
    inputs,
    (
        Slip("root as a constant", " - x * along / r**3", "", ("statistics-as-constants",)),
        Slip("power of the root", "r**3", "r**2", ("shared-term",)),
        Slip("sum for mean", "(g * x).mean", "(g * x).sum", ("shared-term",)),
        Slip("gamma left out", "g = gamma * dy", "g = dy", ("factor-along-axis",)),
        Slip("gamma left out of the second term", "(g * x)", "(dy * x)", ("shared-term",)),
        Slip("sign of the second term", "g / r - x", "g / r + x", ("shared-term",)),
        Slip("dgamma without the root", "(dy * x / r)", "(dy * x)", ("local-derivative",)),
        Slip("dgamma not summed", "(dy * x / r).sum(0)", "dy * x / r", ("axes-not-summed",)),
        Slip("not divided", "g / r - x * along / r**3", "g - x * along / r**2", ("factor-along-axis",)),
        Slip("mean subtracted", "g / r -", "(g - g.mean(-1, keepdims=True)) / r -", ("shared-term",)),
    ),
)

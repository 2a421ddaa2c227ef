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
    return g / r - x * along / r**3, (dy * x / r).sum(0)


def inputs(rng):
    return rng.normal(size=(4, 5)), rng.normal(size=5)


LAYER = Layer(
    "RMS normalisation",
    forward,
    backward,
    inputs,
    (
        Slip("the root as a constant", " - x * along / r**3", "", ("unknown",)),
        Slip("a square for the cube", "r**3", "r**2", ("unknown",)),
        Slip("sum for mean", "(g * x).mean(", "(g * x).sum(", ("unknown",)),
        Slip("gamma left out", "g = gamma * dy", "g = dy", ("unknown",)),
        Slip("gamma left out of one term", "along = (g * x)", "along = (dy * x)", ("unknown",)),
        Slip("sign of the second term", "- x * along", "+ x * along", ("unknown",)),
        Slip("x not normalised in dgamma", "(dy * x / r)", "(dy * x)", ("unknown",)),
        Slip("no gradient by gamma", "(dy * x / r).sum(0)", "None", ("zero-gradient",)),
        Slip(
            "dgamma of the first sample", "(dy * x / r).sum(0)", "(dy * x / r)[0]", ("only-first-upstream",)
        ),
    ),
)

"""Batch normalisation: y = γ x̂ + β with x̂ = (x - μ) / σ over the samples, x (n, d), γ and β (d,)."""

from planted.layers.layer import Layer, Slip

EPSILON = 1e-5


def normalised(x):
    deviation = x - x.mean(0)
    scale = ((deviation * deviation).mean(0) + EPSILON) ** 0.5
    return deviation / scale, scale


def forward(x, gamma, beta):
    return gamma * normalised(x)[0] + beta


def backward(dy, x, gamma, beta):
    x_hat, scale = normalised(x)
    g = gamma * dy
    mean, along = g.mean(0), (g * x_hat).mean(0)
    dx = (g - mean - x_hat * along) / scale
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def inputs(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)


LAYER = Layer(
    "batch normalisation",
    forward,
    backward,
    inputs,
    (
        Slip("statistics as constants", "(g - mean - x_hat * along)", "g", ("unknown",)),
        Slip("the variance as a constant", " - x_hat * along", "", ("unknown",)),
        Slip("the mean as a constant", "g - mean -", "g -", ("unknown",)),
        Slip("a sum for a mean", "(g * x_hat).mean(0)", "(g * x_hat).sum(0)", ("unknown",)),
        Slip("gamma left out", "g = gamma * dy", "g = dy", ("unknown",)),
        Slip("not divided by the scale", ") / scale\n", ")\n", ("unknown",)),
        Slip("x for x_hat in dgamma", "(dy * x_hat).sum(0)", "(dy * x).sum(0)", ("unknown",)),
        Slip("averaged dgamma", "(dy * x_hat).sum(0)", "(dy * x_hat).mean(0)", ("constant-factor",)),
        Slip("over the features", "g.mean(0), (", "g.mean(1, keepdims=True), (", ("unknown",)),
        Slip("dgamma without x_hat", "(dy * x_hat).sum(0)", "dy.sum(0)", ("swapped-tensors",)),
    ),
)

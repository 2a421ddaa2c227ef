"""Group normalisation: y = γ x̂ + β with x̂ = (x - μ) / σ over each group of channels, x (n, g, d), γ and β (g, d)."""

from planted.layers.layer import Layer, Slip

EPSILON = 1e-5


def normalised(x):
    deviation = x - x.mean(-1, keepdims=True)
    scale = ((deviation * deviation).mean(-1, keepdims=True) + EPSILON) ** 0.5
    return deviation / scale, scale


def forward(x, gamma, beta):
    return gamma * normalised(x)[0] + beta


def backward(dy, x, gamma, beta):
    x_hat, scale = normalised(x)
    g = gamma * dy
    mean, along = g.mean(-1, keepdims=True), (g * x_hat).mean(-1, keepdims=True)
    return (g - mean - x_hat * along) / scale, (dy * x_hat).sum(0), dy.sum(0)


def inputs(rng):
    return rng.normal(size=(3, 2, 4)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))


LAYER = Layer(
    "group normalisation",
    forward,
    backward,
    inputs,
    (
        Slip("statistics as constants", "(g - mean - x_hat * along)", "g", ("unknown",)),
        Slip(
            "the mean over all channels",
            "g.mean(-1, keepdims=True), (",
            "g.mean((1, 2), keepdims=True), (",
            ("unknown",),
        ),
        Slip("the variance as a constant", " - x_hat * along", "", ("unknown",)),
        Slip("gamma left out", "g = gamma * dy", "g = dy", ("unknown",)),
        Slip("sign of the second term", "- x_hat * along", "+ x_hat * along", ("unknown",)),
        Slip("dbeta summed over the groups", "dy.sum(0)", "dy.sum((0, 1))", ("wrong-shape",)),
        Slip(
            "dgamma of the first sample", "(dy * x_hat).sum(0)", "(dy * x_hat)[0]", ("only-first-upstream",)
        ),
        Slip("averaged dbeta", "dy.sum(0)", "dy.mean(0)", ("constant-factor",)),
    ),
)

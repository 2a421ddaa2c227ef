"""Layer normalisation: y = γ x̂ + β with x̂ = (x - μ) / σ over the features, x (n, d), γ and β (d,)."""

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
    mean = g.mean(-1, keepdims=True)
    along = (g * x_hat).mean(-1, keepdims=True)
    dx = (g - mean - x_hat * along) / scale
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def inputs(rng):
    return rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=6)


LAYER = Layer(
    "layer normalisation",
    forward,
    backward,
    inputs,
    (
        Slip(
            "statistics as constants",
            "(g - mean - x_hat * along) / scale",
            "g / scale",
            ("statistics-as-constants",),
        ),
        Slip("variance as a constant", "(g - mean - x_hat * along)", "(g - mean)", ("shared-term",)),
        Slip("mean as a constant", "(g - mean - x_hat * along)", "(g - x_hat * along)", ("shared-term",)),
        Slip("gamma left out", "g = gamma * dy", "g = dy", ("factor-along-axis",)),
        Slip("divided by the variance", "/ scale\n", "/ scale**2\n", ("factor-along-axis",)),
        Slip("not divided by the scale", ") / scale\n", ")\n", ("factor-along-axis",)),
        Slip("x for x_hat in dgamma", "(dy * x_hat)", "(dy * x)", ("local-derivative",)),
        Slip("dgamma not summed", "(dy * x_hat).sum(0)", "dy * x_hat", ("axes-not-summed",)),
        Slip(
            "dgamma of the first sample", "(dy * x_hat).sum(0)", "(dy * x_hat)[0]", ("only-first-upstream",)
        ),
        Slip("averaged dbeta", "dy.sum(0)", "dy.mean(0)", ("constant-factor",)),
        Slip(
            "dgamma and dbeta exchanged",
            "(dy * x_hat).sum(0), dy.sum(0)",
            "dy.sum(0), (dy * x_hat).sum(0)",
            ("swapped-tensors",),
        ),
    ),
)

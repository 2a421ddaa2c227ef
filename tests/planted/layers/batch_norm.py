"""Batch normalisation: y = γ x̂ + β with x̂ = (x - μ) / σ over the batch, x (n, d), γ and β (d,)."""

from planted.layers.layer import Layer, Slip

EPSILON = 1e-5


def normalised(x):
    deviation = x - x.mean(0)
    scale = ((deviation * deviation).mean(0) + EPSILON) ** 0.5
    return deviation / scale, scale


def forward(x, gamma, beta):
    return gamma * normalised(x)[0] + beta


def backward(dy, x, gamma, beta):
    n = len(x)
    x_hat, scale = normalised(x)
    dgamma = (dy * x_hat).sum(0)
    dbeta = dy.sum(0)
    dx = gamma / (n * scale) * (n * dy - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


def inputs(rng):
    return rng.normal(size=(6, 4)), rng.normal(size=4), rng.normal(size=4)


LAYER = Layer(
    "batch normalisation",
    forward,
    backward,
    inputs,
    (
        Slip(
            "statistics as constants",
            "(n * dy - dbeta - x_hat * dgamma)",
            "(n * dy)",
            ("statistics-as-constants",),
        ),
        Slip("variance as a constant", " - x_hat * dgamma", "", ("shared-term",)),
        Slip("mean as a constant", " - dbeta", "", ("shared-term",)),
        Slip("gamma left out", "gamma / (n * scale)", "1 / (n * scale)", ("factor-along-axis",)),
        Slip("gamma twice", "gamma / (n * scale)", "gamma**2 / (n * scale)", ("factor-along-axis",)),
        Slip("divided by the variance", "(n * scale)", "(n * scale**2)", ("factor-along-axis",)),
        Slip("epsilon forgotten", "(n * scale)", "(n * (scale**2 - EPSILON) ** 0.5)", ("factor-along-axis",)),
        Slip("n left out", "n * dy - ", "dy - ", ("direct-term",)),
        Slip("statistics over the features", "dy.sum(0)", "dy.sum(1)[:4]", ("sum-not-zero", "other-terms")),
        Slip("x for x_hat in dgamma", "(dy * x_hat)", "(dy * x)", ("shared-term", "local-derivative")),
        Slip("mean for sum in dbeta", "dy.sum(0)", "dy.mean(0)", ("constant-factor", "shared-term")),
        Slip("dgamma of dx's sign", "- x_hat * dgamma", "+ x_hat * dgamma", ("shared-term",)),
        Slip("dgamma not summed", "return dx, dgamma,", "return dx, dy * x_hat,", ("axes-not-summed",)),
        Slip("unbiased variance", "x_hat * dgamma", "x_hat * dgamma * n / (n - 1)", ("shared-term",)),
    ),
)

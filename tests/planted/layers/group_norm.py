"""Group normalisation: x (n, c, l) is normalised over the channels of a group and over l; γ and β (c,)."""

from planted.layers.layer import Layer, Slip

GROUPS, EPSILON = 2, 1e-5


def normalised(x):
    grouped = x.reshape(len(x), GROUPS, -1)
    deviation = grouped - grouped.mean(-1, keepdims=True)
    scale = ((deviation * deviation).mean(-1, keepdims=True) + EPSILON) ** 0.5
    return deviation / scale, scale


def forward(x, gamma, beta):
    return gamma[:, None] * normalised(x)[0].reshape(x.shape) + beta[:, None]


def backward(dy, x, gamma, beta):
    x_hat, scale = normalised(x)
    g = (gamma[:, None] * dy).reshape(x_hat.shape)
    mean = g.mean(-1, keepdims=True)
    along = (g * x_hat).mean(-1, keepdims=True)
    dx = ((g - mean - x_hat * along) / scale).reshape(x.shape)
    return dx, (dy * x_hat.reshape(x.shape)).sum(-1).sum(0), dy.sum(-1).sum(0)


def inputs(rng):
    return rng.normal(size=(3, 4, 3)), rng.normal(size=4), rng.normal(size=4)


LAYER = Layer(
    "group normalisation",
    forward,
    backward,
    inputs,
    (
        Slip("statistics as constants", "(g - mean - x_hat * along)", "g", ("statistics-as-constants",)),
        Slip("variance as a constant", " - x_hat * along", "", ("shared-term",)),
        Slip("mean as a constant", " - mean", "", ("shared-term",)),
        Slip(
            "statistics of the whole sample",
            "g.mean(-1, keepdims=True)",
            "g.mean((1, 2), keepdims=True)",
            ("sum-not-zero",),
        ),
        Slip("gamma left out", "gamma[:, None] * dy", "dy", ("factor-along-axis",)),
        Slip("divided by the variance", " / scale)", " / scale**2)", ("factor-along-axis",)),
        Slip("beta summed over the batch alone", "dy.sum(-1).sum(0)", "dy.sum(0)", ("axes-not-summed",)),
        Slip("beta of one position", "dy.sum(-1).sum(0)", "dy[..., 0].sum(0)", ("only-first-upstream",)),
        Slip(
            "gamma in order of l",
            "(dy * x_hat.reshape(x.shape)).sum(-1).sum(0)",
            "dy.sum(-1).sum(0)",
            ("swapped-tensors",),
        ),
        Slip("sum for mean", "(g * x_hat).mean", "(g * x_hat).sum", ("shared-term",)),
    ),
)

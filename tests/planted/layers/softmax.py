"""Softmax over the classes: p = exp z / Σ exp z, with z (n, c)."""

from planted.layers.layer import Layer, Slip, largest, library_of


def forward(z):
    e = library_of(z).exp(z - largest(z.real if z.dtype == complex else z))
    return e / e.sum(-1, keepdims=True)


def backward(dp, z):
    p = forward(z)
    inner = (dp * p).sum(-1, keepdims=True)
    return p * (dp - inner)


def inputs(rng):
    return (rng.normal(size=(4, 5)),)


LAYER = Layer(
    "softmax",
    forward,
    backward,
    inputs,
    (
        Slip("the diagonal alone", "p * (dp - inner)", "p * (1 - p) * dp", ("softmax-diagonal-only",)),
        Slip("no second term", "p * (dp - inner)", "p * dp", ("statistics-as-constants",)),
        Slip("sign", "p * (dp - inner)", "p * (inner - dp)", ("sign",)),
        Slip(
            "summed over everything", "(dp * p).sum(-1, keepdims=True)", "(dp * p).sum()", ("terms-too-many",)
        ),
        Slip(
            "summed over the batch",
            "(dp * p).sum(-1, keepdims=True)",
            "(dp * p).sum(0)",
            ("other-terms",),
        ),
        Slip("p left out of the sum", "(dp * p).sum", "dp.sum", ("sum-not-zero",)),
        Slip("mean for sum", "(dp * p).sum(", "(dp * p).mean(", ("sum-not-zero",)),
        Slip(
            "upstream of the first sample",
            "p * (dp - inner)",
            "p * (dp[0] - inner[0])",
            ("only-first-upstream",),
        ),
    ),
)

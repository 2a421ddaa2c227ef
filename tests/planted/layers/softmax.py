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
        Slip(
            "the diagonal alone", "p * (dp - inner)", "p * (1 - p) * dp", ("softmax-diagonal-only", "unknown")
        ),
        Slip("no second term", "p * (dp - inner)", "p * dp", ("unknown",)),
        Slip("sign", "p * (dp - inner)", "p * (inner - dp)", ("sign",)),
        Slip("summed over everything", "(dp * p).sum(-1, keepdims=True)", "(dp * p).sum()", ("unknown",)),
        Slip(
            "summed over the batch",
            "(dp * p).sum(-1, keepdims=True)",
            "(dp * p).sum(0)",
            ("softmax-wrong-axis", "unknown"),
        ),
        Slip("p left out of the sum", "(dp * p).sum", "dp.sum", ("unknown",)),
        Slip("mean for sum", "(dp * p).sum(", "(dp * p).mean(", ("unknown",)),
        Slip(
            "upstream of the first sample",
            "p * (dp - inner)",
            "p * (dp[0] - inner[0])",
            ("only-first-upstream",),
        ),
    ),
)

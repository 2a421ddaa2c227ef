"""SwiGLU: y = (silu(x W) ∘ x V) U with silu(a) = a σ(a); x (n, i), W and V (i, h), U (h, o)."""

from planted.layers.layer import Layer, Slip, library_of


def sigmoid(a):
    return 1 / (1 + library_of(a).exp(-a))


def forward(x, W, V, U):
    a = x @ W
    return (a * sigmoid(a) * (x @ V)) @ U


def backward(dy, x, W, V, U):
    a, c = x @ W, x @ V
    s = sigmoid(a)
    dg = dy @ U.T
    dc = dg * a * s
    da = dg * c * (s + a * s * (1 - s))
    return da @ W.T + dc @ V.T, x.T @ da, x.T @ dc, (a * s * c).T @ dy


def inputs(rng):
    return tuple(rng.normal(size=shape) for shape in ((4, 3), (3, 2), (3, 2), (2, 3)))


LAYER = Layer(
    "SwiGLU",
    forward,
    backward,
    inputs,
    (
        Slip("one path of x alone", "da @ W.T + dc @ V.T", "da @ W.T", ("unknown",)),
        Slip("the sigmoid's derivative alone", "(s + a * s * (1 - s))", "s * (1 - s)", ("unknown",)),
        Slip("silu' without its second term", "(s + a * s * (1 - s))", "s", ("unknown",)),
        Slip("a left out of silu'", "a * s * (1 - s)", "s * (1 - s)", ("unknown",)),
        Slip("the gate is left out of da", "dg * c *", "dg *", ("unknown",)),
        Slip("silu is left out of dc", "dg * a * s", "dg * a", ("unknown",)),
        Slip("dW and dV exchanged", "x.T @ da, x.T @ dc", "x.T @ dc, x.T @ da", ("swapped-tensors",)),
        Slip("the gate is left out of dU", "(a * s * c).T", "(a * s).T", ("unknown",)),
        Slip("averaged dU", "(a * s * c).T @ dy", "(a * s * c).T @ dy / len(x)", ("constant-factor",)),
    ),
)

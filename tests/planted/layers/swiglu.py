"""SwiGLU: y = (silu(x W) · (x V)) O with silu(z) = z σ(z), x (n, i), W and V (i, d), O (d, o)."""

from planted.layers.layer import Layer, Slip, library_of


def parts(x, W, V):
    z, v = x @ W, x @ V
    s = 1 / (1 + library_of(x).exp(-z))
    return z, v, s


def forward(x, W, V, O):  # noqa: E741
    z, v, s = parts(x, W, V)
    return (z * s * v) @ O


def backward(dy, x, W, V, O):  # noqa: E741
    z, v, s = parts(x, W, V)
    da = dy @ O.T
    dO = (z * s * v).T @ dy
    dv = da * z * s
    dz = da * v * (s + z * s * (1 - s))
    dx = dz @ W.T + dv @ V.T
    return dx, x.T @ dz, x.T @ dv, dO


def inputs(rng):
    return tuple(rng.normal(size=size) for size in ((4, 3), (3, 5), (3, 5), (5, 2)))


LAYER = Layer(
    "swiglu",
    forward,
    backward,
    inputs,
    (
        Slip("one path of dx", "dz @ W.T + dv @ V.T", "dz @ W.T", ("path-missing",)),
        Slip("sigmoid for silu'", "(s + z * s * (1 - s))", "s", ("delta-wrong",)),
        Slip("silu' without its first term", "(s + z * s * (1 - s))", "(z * s * (1 - s))", ("delta-wrong",)),
        Slip("gate left out of dz", "da * v * (", "da * (", ("delta-wrong",)),
        Slip("silu left out of dv", "da * z * s", "1 * da", ("delta-wrong",)),
        Slip("sigmoid for silu in dv", "da * z * s", "da * s", ("delta-wrong",)),
        Slip("dW and dV exchanged", "x.T @ dz, x.T @ dv", "x.T @ dv, x.T @ dz", ("swapped-tensors",)),
        Slip("gate left out of dO", "(z * s * v).T", "(z * s).T", ("wrong-layer-input",)),
        Slip(
            "W and V exchanged in dx", "dz @ W.T + dv @ V.T", "dz @ V.T + dv @ W.T", ("wrong-layer-weights",)
        ),
        Slip("sign of dV", "x.T @ dv", "-x.T @ dv", ("sign",)),
        Slip("sigmoid' without its second factor", "s * (1 - s)", "s", ("delta-wrong",)),
    ),
)

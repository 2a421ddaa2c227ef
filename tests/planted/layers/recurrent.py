"""A recurrent layer over time: h[t] = tanh(x[t] W + h[t-1] R + b), with x (t, n, i) and h (n, h), to every h[t]."""

from planted.layers.layer import Layer, Slip, library_of


def states(x, h, W, R, b):
    kept = [h]
    for x_t in x:
        kept.append(library_of(x).tanh(x_t @ W + kept[-1] @ R + b))
    return kept


def forward(x, h, W, R, b):
    return library_of(x).stack(states(x, h, W, R, b)[1:])


def backward(dy, x, h, W, R, b):
    kept = states(x, h, W, R, b)
    dx, dh, dW, dR, db = [], 0 * h, 0 * W, 0 * R, 0 * b
    for t in range(len(x))[::-1]:
        dz = (dy[t] + dh) * (1 - kept[t + 1] ** 2)
        dx.append(dz @ W.T)
        dW = dW + x[t].T @ dz
        dR = dR + kept[t].T @ dz
        db = db + dz.sum(0)
        dh = dz @ R.T
    return library_of(x).stack(dx[::-1]), dh, dW, dR, db


def inputs(rng):
    return tuple(rng.normal(size=shape) for shape in ((3, 2, 2), (2, 2), (2, 2), (2, 2), (2,)))


LAYER = Layer(
    "recurrent",
    forward,
    backward,
    inputs,
    (
        Slip("the last step alone in dW", "dW = dW + x[t].T @ dz", "dW = x[t].T @ dz", ("unknown",)),
        Slip("nothing goes back in time", "(dy[t] + dh)", "dy[t]", ("unknown",)),
        Slip("the new state in dR", "kept[t].T @ dz", "kept[t + 1].T @ dz", ("unknown",)),
        Slip("tanh' left out", " * (1 - kept[t + 1] ** 2)", "", ("unknown",)),
        Slip("tanh' of the old state", "kept[t + 1] ** 2", "kept[t] ** 2", ("unknown",)),
        Slip("R is not transposed", "dz @ R.T", "dz @ R", ("unknown",)),
        Slip("dx in reverse", "dx[::-1]", "dx", ("unknown",)),
        Slip(
            "the upstream of the last step alone",
            "(dy[t] + dh)",
            "(dy[t] * (t == len(x) - 1) + dh)",
            ("unknown",),
        ),
        Slip("averaged db", "dz.sum(0)", "dz.mean(0)", ("constant-factor",)),
    ),
)

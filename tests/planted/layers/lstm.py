"""An LSTM over time, with the gates i, f, o and the candidate g side by side in z = x[t] W + h R + b (n, 4h)."""

from planted.layers.layer import Layer, Slip, library_of


def sigmoid(a):
    return 1 / (1 + library_of(a).exp(-a))


def steps(x, h, c, W, R, b):
    kept, size = [], h.shape[1]
    for x_t in x:
        z = x_t @ W + h @ R + b
        i, f, o = (sigmoid(z[:, k * size : (k + 1) * size]) for k in range(3))
        g = library_of(x).tanh(z[:, 3 * size :])
        new = f * c + i * g
        kept.append((h, c, i, f, o, g, library_of(x).tanh(new)))
        h, c = o * kept[-1][-1], new
    return kept


def forward(x, h, c, W, R, b):
    return library_of(x).stack([o * t for *_, o, _, t in steps(x, h, c, W, R, b)])


def backward(dy, x, h, c, W, R, b):
    lib, dx, dh, dc, dW, dR, db = library_of(x), [], 0 * h, 0 * c, 0 * W, 0 * R, 0 * b
    kept = steps(x, h, c, W, R, b)
    for x_t, dy_t, (before, cell, i, f, o, g, t) in list(zip(x, dy, kept, strict=True))[::-1]:
        dh = dh + dy_t
        dc = dc + dh * o * (1 - t * t)
        gates = [dc * g * i * (1 - i), dc * cell * f * (1 - f), dh * t * o * (1 - o), dc * i * (1 - g * g)]
        dz = lib.concatenate(gates, 1)
        dx.append(dz @ W.T)
        dW = dW + x_t.T @ dz
        dR = dR + before.T @ dz
        db = db + dz.sum(0)
        dh, dc = dz @ R.T, dc * f
    return lib.stack(dx[::-1]), dh, dc, dW, dR, db


def inputs(rng):
    return tuple(rng.normal(size=shape) for shape in ((3, 2, 2), (2, 1), (2, 1), (2, 4), (1, 4), (4,)))


LAYER = Layer(
    "LSTM",
    forward,
    backward,
    inputs,
    (
        Slip("the cell's gradient stops at each step", "dc * f\n", "0 * dc\n", ("unknown",)),
        Slip("the forget gate left out on the way back", "dc * f\n", "dc\n", ("unknown",)),
        Slip("tanh' of the cell left out", "* o * (1 - t * t)", "* o", ("unknown",)),
        Slip("the output gate left out", "dh * o * (1 - t * t)", "dh * (1 - t * t)", ("unknown",)),
        Slip("the new cell in the forget gate", "dc * cell * f", "dc * t * f", ("unknown",)),
        Slip("g left out of the input gate", "dc * g * i * (1 - i)", "dc * i * (1 - i)", ("unknown",)),
        Slip("the hidden state's gradient is left out", "dh = dh + dy_t", "dh = dy_t", ("unknown",)),
        Slip("dR of the last step alone", "dR = dR + before.T @ dz", "dR = before.T @ dz", ("unknown",)),
        Slip("gates in another order", "(gates, 1)", "([gates[k] for k in (1, 0, 2, 3)], 1)", ("unknown",)),
        Slip("averaged db", "dz.sum(0)", "dz.mean(0)", ("constant-factor",)),
    ),
)

"""An LSTM over time: gates i, f, o and g from x_t U + h V + b, c = f c + i g, h = o tanh c; y = all h (t, n, d).

x (t, n, i), h0 and c0 (n, d), U (i, 4d), V (d, 4d), b (4d,).
"""

from planted.layers.layer import Layer, Slip, library_of


def sigmoid(z):
    return 1 / (1 + library_of(z).exp(-z))


def step(x, h, c, U, V, b):
    d = h.shape[1]
    z = x @ U + h @ V + b
    i, f, o = (sigmoid(z[:, k * d : (k + 1) * d]) for k in range(3))
    g = library_of(x).tanh(z[:, 3 * d :])
    return i, f, o, g, f * c + i * g


def forward(x, h0, c0, U, V, b):
    lib, h, c, states = library_of(x), h0, c0, []
    for x_t in x:
        _, _, o, _, c = step(x_t, h, c, U, V, b)
        h = o * lib.tanh(c)
        states.append(h)
    return lib.stack(states)


def backward(dy, x, h0, c0, U, V, b):
    lib, cells, h, c = library_of(x), [], h0, c0
    for x_t in x:
        i, f, o, g, new = step(x_t, h, c, U, V, b)
        cells.append((x_t, h, c, i, f, o, g, new))
        h, c = o * lib.tanh(new), new
    dU, dV, db, dx, dh, dc = 0 * U, 0 * V, 0 * b, [], 0 * h0, 0 * c0
    for t in reversed(range(len(x))):
        x_t, h, c, i, f, o, g, new = cells[t]
        dh = dh + dy[t]
        tanh = lib.tanh(new)
        dc = dc + dh * o * (1 - tanh**2)
        di = dc * g * i * (1 - i)
        df = dc * c * f * (1 - f)
        do = dh * tanh * o * (1 - o)
        dg = dc * i * (1 - g**2)
        dz = lib.concatenate([di, df, do, dg], 1)
        dU = dU + x_t.T @ dz
        dV = dV + h.T @ dz
        db = db + dz.sum(0)
        dx.append(dz @ U.T)
        dh = dz @ V.T
        dc = dc * f
    return lib.stack(dx[::-1]), dh, dc, dU, dV, db


def inputs(rng):
    sizes = (3, 2, 2), (2, 2), (2, 2), (2, 8), (2, 8), (8,)
    return tuple(rng.normal(size=size) / 2 for size in sizes)


LAYER = Layer(
    "lstm",
    forward,
    backward,
    inputs,
    (
        Slip("no gradient from the later step", "dh = dh + dy[t]", "dh = dy[t]", ("between-steps",)),
        Slip("cell's gradient not kept", "dc = dc + dh *", "dc = dh *", ("between-steps",)),
        Slip(
            "forget gate left out of dc", "dc = dc * f\n", "dc = dc\n", ("between-steps", "local-derivative")
        ),
        Slip("sigmoid' of i left out", "g * i * (1 - i)", "g", ("between-steps", "delta-wrong")),
        Slip("new cell for old in df", "dc * c * f", "dc * new * f", ("between-steps", "delta-wrong")),
        Slip("tanh' of g by its input", "(1 - g**2)", "(1 - g)", ("between-steps", "delta-wrong")),
        Slip("tanh of the cell left out", "o * (1 - tanh**2)", "o", ("local-derivative", "delta-wrong")),
        Slip("tanh left out of do", "dh * tanh * o", "dh * o", ("between-steps", "delta-wrong")),
        Slip(
            "gates in another order", "[di, df, do, dg]", "[df, di, do, dg]", ("between-steps", "reordered")
        ),
        Slip("dV of the last step alone", "dV = dV + h.T", "dV = h.T", ("steps-not-summed",)),
        Slip("sign of df", "df = dc", "df = -dc", ("between-steps", "factor-along-axis")),
        Slip(
            "output gate's path left out",
            "do = dh * tanh * o * (1 - o)",
            "do = 0 * dh",
            ("between-steps", "entries-left-out"),
        ),
    ),
)

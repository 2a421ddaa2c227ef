"""A recurrent network over time: h_t = tanh(x_t U + h_{t-1} V + b), x (t, n, i), h0 (n, d), y = all h (t, n, d)."""

from planted.layers.layer import Layer, Slip, library_of


def forward(x, h0, U, V, b):
    lib, h, states = library_of(x), h0, []
    for x_t in x:
        h = lib.tanh(x_t @ U + h @ V + b)
        states.append(h)
    return lib.stack(states)


def backward(dy, x, h0, U, V, b):
    lib, y = library_of(x), forward(x, h0, U, V, b)
    dU, dV, db, dx, dh = 0 * U, 0 * V, 0 * b, [], 0 * h0
    for t in reversed(range(len(x))):
        before = y[t - 1] if t > 0 else h0
        dh = dh + dy[t]
        dz = dh * (1 - y[t] ** 2)
        dU = dU + x[t].T @ dz
        dV = dV + before.T @ dz
        db = db + dz.sum(0)
        dx.append(dz @ U.T)
        dh = dz @ V.T
    return lib.stack(dx[::-1]), dh, dU, dV, db


def inputs(rng):
    sizes = (4, 3, 2), (3, 3), (2, 3), (3, 3), (3,)
    return tuple(rng.normal(size=size) / 2 for size in sizes)


LAYER = Layer(
    "rnn",
    forward,
    backward,
    inputs,
    (
        Slip(
            "no gradient from the later step",
            "dh = dh + dy[t]",
            "dh = dy[t]",
            ("only-first-upstream", "terms-left-out", "between-steps"),
        ),
        Slip(
            "upstream of the last step alone",
            "dh + dy[t]",
            "dh + dy[t] * (t == len(x) - 1)",
            ("upstream-left-out",),
        ),
        Slip(
            "tanh' left out",
            "dz = dh * (1 - y[t] ** 2)",
            "dz = dh",
            ("factor-along-axis", "local-derivative"),
        ),
        Slip("tanh' without its square", "y[t] ** 2", "y[t]", ("factor-along-axis", "local-derivative")),
        Slip("V not transposed", "dz @ V.T", "dz @ V", ("between-steps",)),
        Slip("h of the same step", "before.T @", "y[t].T @", ("wrong-layer-input",)),
        Slip("dU of one step", "dU = dU + x[t]", "dU = x[t]", ("steps-not-summed",)),
        Slip("h0 left out", "else h0\n", "else 0 * h0\n", ("terms-left-out",)),
        Slip("dx in reverse", "lib.stack(dx[::-1])", "lib.stack(dx)", ("reordered",)),
        Slip("db of one step", "db = db + dz", "db = dz", ("steps-not-summed",)),
        Slip("dh before tanh'", "dh = dz @ V.T", "dh = dh @ V.T", ("between-steps", "factor-along-axis")),
        Slip("averaged over time", "dU, dV, db\n", "dU / len(x), dV, db\n", ("constant-factor",)),
    ),
)

"""A GRU over time, as PyTorch has it: h = (1 - z) n + z h with r, z = σ(x U + h V + b), n = tanh(x U + r (h V + b)).

x (t, n, i), h0 (n, d), U (i, 3d), V (d, 3d), b (3d,); the columns are those of r, z and n. y = all h (t, n, d).
"""

from planted.layers.layer import Layer, Slip, library_of


def sigmoid(z):
    return 1 / (1 + library_of(z).exp(-z))


def step(x, h, U, V, b):
    d = h.shape[1]
    xu, hv = x @ U, h @ V + b
    r = sigmoid(xu[:, :d] + hv[:, :d])
    z = sigmoid(xu[:, d : 2 * d] + hv[:, d : 2 * d])
    n = library_of(x).tanh(xu[:, 2 * d :] + r * hv[:, 2 * d :])
    return r, z, n, hv[:, 2 * d :]


def forward(x, h0, U, V, b):
    h, states = h0, []
    for x_t in x:
        _, z, n, _ = step(x_t, h, U, V, b)
        h = (1 - z) * n + z * h
        states.append(h)
    return library_of(x).stack(states)


def backward(dy, x, h0, U, V, b):
    lib, y = library_of(x), forward(x, h0, U, V, b)
    dU, dV, db, dx, dh = 0 * U, 0 * V, 0 * b, [], 0 * h0
    for t in reversed(range(len(x))):
        h = y[t - 1] if t > 0 else h0
        r, z, n, inner = step(x[t], h, U, V, b)
        dh = dh + dy[t]
        dn = dh * (1 - z) * (1 - n**2)
        dz = dh * (h - n) * z * (1 - z)
        dr = dn * inner * r * (1 - r)
        dxu = lib.concatenate([dr, dz, dn], 1)
        dhv = lib.concatenate([dr, dz, dn * r], 1)
        dU = dU + x[t].T @ dxu
        dV = dV + h.T @ dhv
        db = db + dhv.sum(0)
        dx.append(dxu @ U.T)
        dh = dhv @ V.T + dh * z
    return lib.stack(dx[::-1]), dh, dU, dV, db


def inputs(rng):
    sizes = (3, 2, 2), (2, 2), (2, 6), (2, 6), (6,)
    return tuple(rng.normal(size=size) / 2 for size in sizes)


LAYER = Layer(
    "gru",
    forward,
    backward,
    inputs,
    (
        Slip("the direct path left out", "dhv @ V.T + dh * z", "dhv @ V.T", ("between-steps", "direct-term")),
        Slip("only the direct path", "dhv @ V.T + dh * z", "dh * z", ("between-steps", "path-missing")),
        Slip("direct path by 1 - z", "+ dh * z\n", "+ dh * (1 - z)\n", ("between-steps", "direct-term")),
        Slip(
            "no gradient from the later step",
            "dh = dh + dy[t]",
            "dh = dy[t]",
            ("only-first-upstream", "terms-left-out", "between-steps"),
        ),
        Slip("sign of dz", "(h - n)", "(n - h)", ("factor-along-axis",)),
        Slip("reset gate left out of dV", "dn * r], 1)", "dn], 1)", ("between-steps", "delta-wrong")),
        Slip("tanh' left out", " * (1 - n**2)", "", ("delta-wrong",)),
        Slip("sigmoid' of r left out", "inner * r * (1 - r)", "inner", ("delta-wrong",)),
        Slip("state for inner in dr", "dn * inner", "dn * h", ("delta-wrong",)),
        Slip("db of xU's δ", "dhv.sum(0)", "dxu.sum(0)", ("delta-wrong",)),
        Slip("dU of the last step alone", "dU = dU + x[t]", "dU = x[t]", ("steps-not-summed",)),
    ),
)

"""A GRU over time: u and r from x[t] W + h R, n from x[t] V + (r h) Q, and h ← (1 - u) n + u h."""

from planted.layers.layer import Layer, Slip, library_of


def sigmoid(a):
    return 1 / (1 + library_of(a).exp(-a))


def steps(x, h, W, R, V, Q):
    kept, size = [], h.shape[1]
    for x_t in x:
        z = sigmoid(x_t @ W + h @ R)
        u, r = z[:, :size], z[:, size:]
        n = library_of(x).tanh(x_t @ V + (r * h) @ Q)
        kept.append((h, u, r, n))
        h = (1 - u) * n + u * h
    return kept


def forward(x, h, W, R, V, Q):
    return library_of(x).stack([(1 - u) * n + u * h for h, u, _, n in steps(x, h, W, R, V, Q)])


def backward(dy, x, h, W, R, V, Q):
    lib, dx, dh, dW, dR, dV, dQ = library_of(x), [], 0 * h, 0 * W, 0 * R, 0 * V, 0 * Q
    kept = steps(x, h, W, R, V, Q)
    for x_t, dy_t, (before, u, r, n) in list(zip(x, dy, kept, strict=True))[::-1]:
        dh = dh + dy_t
        dn = dh * (1 - u) * (1 - n * n)
        drh = dn @ Q.T
        dz = lib.concatenate([dh * (before - n) * u * (1 - u), drh * before * r * (1 - r)], 1)
        dx.append(dz @ W.T + dn @ V.T)
        dW, dR = dW + x_t.T @ dz, dR + before.T @ dz
        dV, dQ = dV + x_t.T @ dn, dQ + (r * before).T @ dn
        dh = dh * u + drh * r + dz @ R.T
    return lib.stack(dx[::-1]), dh, dW, dR, dV, dQ


def inputs(rng):
    return tuple(rng.normal(size=shape) for shape in ((3, 2, 2), (2, 2), (2, 4), (2, 4), (2, 2), (2, 2)))


LAYER = Layer(
    "GRU",
    forward,
    backward,
    inputs,
    (
        Slip("one path of h is left out", "dh * u + drh * r + dz", "drh * r + dz", ("unknown",)),
        Slip("the reset path is left out", " + drh * r + dz", " + dz", ("unknown",)),
        Slip("the gates' path is left out", " + dz @ R.T", "", ("unknown",)),
        Slip("u for 1 - u", "dh * (1 - u) * (1 - n", "dh * u * (1 - n", ("unknown",)),
        Slip("the reset gate is left out of dQ", "(r * before).T", "before.T", ("unknown",)),
        Slip("sign of the update gate", "(before - n)", "(n - before)", ("unknown",)),
        Slip("tanh' left out", " * (1 - n * n)", "", ("unknown",)),
        Slip("one path of x alone", "dz @ W.T + dn @ V.T", "dz @ W.T", ("unknown",)),
        Slip("dV of the last step alone", "dV + x_t.T @ dn", "x_t.T @ dn", ("unknown",)),
    ),
)

"""Right gradients by other formulas of the same functions, and by other derivations."""

import numpy as np
from scipy import special

F = {
    "relu": (lambda z: z * (z > 0), lambda z, a: (a > 0).astype(z.dtype)),
    "tanh": (lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1), lambda z, a: 1 / np.cosh(z) ** 2),
    "sigmoid": (lambda z: 0.5 * (1 + np.tanh(z / 2)), lambda z, a: a - a * a),
    "gelu": (
        lambda z: z * special.ndtr(z),
        lambda z, a: special.ndtr(z) + z * np.exp(-0.5 * z**2) * z.dtype.type(0.3989422804014327),
    ),
}


def other_formulas(activation, loss):
    """log-softmax, f written in another way, f' from the output."""
    f, df = F[activation]

    def gradient(params, inputs, labels):
        depth, n = len(params) // 2, len(inputs)
        xs, zs = [inputs], []
        for k in range(depth):
            zs.append(xs[-1].dot(params[f"W{k + 1}"]) + params[f"b{k + 1}"])
            xs.append(f(zs[-1]))
        t = np.eye(zs[-1].shape[1], dtype=inputs.dtype)[labels]
        if loss == "cross-entropy":
            log_p = special.log_softmax(zs[-1], axis=1)
            value, d = -(t * log_p).sum() / n, (np.exp(log_p) - t) / n
        else:
            r = zs[-1] - t
            value, d = (r * r).sum() / r.size, r * (2 / r.size)
        g = {}
        for k in reversed(range(depth)):
            g[f"b{k + 1}"] = np.ones(n, d.dtype) @ d
            g[f"W{k + 1}"] = np.tensordot(xs[k], d, axes=(0, 0))
            if k:
                d = np.dot(d, params[f"W{k + 1}"].T) * df(zs[k - 1], xs[k])
        return float(value), g

    return gradient


def by_einsum(activation):
    """Every sum by einsum, the softmax by its Jacobian (n, c, c)."""
    f, df = F[activation]

    def gradient(params, inputs, labels):
        depth, n = len(params) // 2, len(inputs)
        xs, zs = [inputs], []
        for k in range(depth):
            zs.append(np.einsum("ni,io->no", xs[-1], params[f"W{k + 1}"]) + params[f"b{k + 1}"])
            xs.append(f(zs[-1]))
        p = special.softmax(zs[-1], axis=1)
        dp = np.zeros_like(p)
        dp[np.arange(n), labels] = -1 / p[np.arange(n), labels]
        jacobian = np.einsum("nc,ck->nck", p, np.eye(p.shape[1], dtype=p.dtype)) - np.einsum(
            "nc,nk->nck", p, p
        )
        d = np.einsum("nck,nc->nk", jacobian, dp)
        g = {}
        for k in reversed(range(depth)):
            g[f"W{k + 1}"] = np.einsum("ni,no->io", xs[k], d) / n
            g[f"b{k + 1}"] = np.einsum("no->o", d) / n
            if k:
                d = np.einsum("no,io,ni->ni", d, params[f"W{k + 1}"], df(zs[k - 1], xs[k]))
        return g

    return gradient


def whole_jacobians(params, inputs, labels):
    """Dense Jacobians of the logits by every parameter, with Kronecker products; one hidden layer of tanh."""
    total = {k: np.zeros_like(v) for k, v in params.items()}
    w2 = params["W2"]
    for x, label in zip(inputs, labels, strict=True):
        a = np.tanh(x @ params["W1"] + params["b1"])
        z = a @ w2 + params["b2"]
        p = np.exp(z) / np.exp(z).sum()
        row = p - (np.arange(len(p)) == label)
        dz_da = w2.T
        da_dh = np.diag(1 - a**2)
        dh_dw = np.kron(x, np.eye(len(a)))  # (h, i * h)
        total["W1"] += (row @ dz_da @ da_dh @ dh_dw).reshape(total["W1"].shape)
        total["b1"] += row @ dz_da @ da_dh
        total["W2"] += (row @ np.kron(a, np.eye(len(p)))).reshape(w2.shape)
        total["b2"] += row
    return {k: v / len(inputs) for k, v in total.items()}


def complex_step(activation):
    """Im L(θ + ih) / h, one parameter after the other."""
    f = {
        "relu": lambda z: np.where(z.real > 0, z, 0),
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }[activation]

    def loss(params, inputs, labels):
        x, depth = inputs, len(params) // 2
        for k in range(1, depth + 1):
            z = x @ params[f"W{k}"] + params[f"b{k}"]
            x = f(z)
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels])

    def gradient(params, inputs, labels):
        g = {}
        for name, value in params.items():
            g[name] = np.zeros_like(value)
            for index in np.ndindex(value.shape):
                moved = value.astype(complex)
                moved[index] += 1e-30j
                g[name][index] = loss({**params, name: moved}, inputs, labels).imag / 1e-30
        return g

    return gradient


def tangents(params, inputs, labels):
    """Forward mode by hand: every unit direction pushed through a relu network of one hidden layer."""
    z1 = inputs @ params["W1"] + params["b1"]
    a, mask = np.maximum(z1, 0), z1 > 0
    z2 = a @ params["W2"] + params["b2"]
    row = (special.softmax(z2, axis=1) - np.eye(z2.shape[1])[labels]) / len(inputs)
    g = {k: np.zeros_like(v) for k, v in params.items()}
    for name, value in params.items():
        for index in np.ndindex(value.shape):
            unit = np.zeros_like(value)
            unit[index] = 1
            dz1 = (
                inputs @ unit if name == "W1" else np.broadcast_to(unit, z1.shape) if name == "b1" else 0 * z1
            )
            dz2 = (dz1 * mask) @ params["W2"]
            dz2 = dz2 + (a @ unit if name == "W2" else unit if name == "b2" else 0)
            g[name][index] = np.sum(row * dz2)
    return g


WAYS = (
    *(
        (f"other formulas of {activation}, {loss}", lambda a=activation, s=loss: other_formulas(a, s), nets)
        for activation, loss, nets in (
            ("relu", "cross-entropy", ("relu", "relu-deep", "wide-float32", "linear")),
            ("tanh", "cross-entropy", ("tanh", "tanh-deep", "tanh-deep-float32")),
            ("sigmoid", "cross-entropy", ("sigmoid", "sigmoid-float32")),
            ("gelu", "cross-entropy", ("gelu", "gelu-deep")),
            ("relu", "mean-squared-error", ("relu-squares",)),
            ("tanh", "mean-squared-error", ("tanh-squares",)),
            ("sigmoid", "mean-squared-error", ("sigmoid-squares",)),
            ("gelu", "mean-squared-error", ("gelu-squares-float32",)),
        )
    ),
    *(
        (f"by einsum, {activation}", lambda a=activation: by_einsum(a), nets)
        for activation, nets in (
            ("relu", ("relu", "relu-float32", "wide")),
            ("tanh", ("tanh-deep", "tanh-deep-float32")),
            ("gelu", ("gelu",)),
        )
    ),
    ("Kronecker products", lambda: whole_jacobians, ("tanh",)),
    *(
        (f"complex step, {activation}", lambda a=activation: complex_step(a), nets)
        for activation, nets in (("relu", ("relu",)), ("tanh", ("tanh",)), ("sigmoid", ("sigmoid",)))
    ),
    ("forward mode by hand", lambda: tangents, ("relu", "one-sample")),
)

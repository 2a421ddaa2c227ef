"""Right gradients whose sums run in other orders, in other memory layouts, and in other precisions inside."""

from collections import OrderedDict

import numpy as np
from scipy import special


def _forward(params, inputs, product):
    xs, z, depth = [inputs], None, len(params) // 2
    for k in range(1, depth + 1):
        z = product(xs[-1], params[f"W{k}"]) + params[f"b{k}"]
        xs.append(np.maximum(z, 0))
    return xs[:-1], z


def relu_gradient(params, inputs, labels, product=np.matmul, total=lambda d: d.sum(axis=0)):
    """The closed form of a relu network with a matrix product and a sum to choose."""
    xs, z = _forward(params, inputs, product)
    n = len(inputs)
    d = special.softmax(z, axis=1)
    d[np.arange(n), labels] -= 1
    d /= d.dtype.type(n)
    g = {}
    for k in range(len(xs), 0, -1):
        g[f"W{k}"], g[f"b{k}"] = product(xs[k - 1].T, d), total(d)
        if k > 1:
            d = product(d, params[f"W{k}"].T) * (xs[k - 1] > 0)
    return g


def one_after_another(x, w):
    """A product summed strictly in order, term after term."""
    out = np.zeros((x.shape[0], w.shape[1]), np.result_type(x, w))
    for i in range(w.shape[0]):
        out += x[:, i, None] * w[i]
    return out


def backwards(x, w):
    """A product summed strictly in order, from the last term to the first."""
    return one_after_another(x[:, ::-1], w[::-1])


def cumulative(d):
    """The last of the running sums."""
    return np.cumsum(d, axis=0)[-1]


def column_major(params, inputs, labels):
    """Everything in column-major order, weights as transposes of copies."""
    turned = {k: np.asfortranarray(v) for k, v in params.items()}
    return {
        k: np.asfortranarray(v) for k, v in relu_gradient(turned, np.asfortranarray(inputs), labels).items()
    }


def transposed_inside(params, inputs, labels):
    """Samples as columns: (features, samples), weights (o, i)."""
    depth, x = len(params) // 2, [inputs.T]
    for k in range(1, depth + 1):
        z = params[f"W{k}"].T @ x[-1] + params[f"b{k}"][:, None]
        x.append(np.maximum(z, 0))
    n = inputs.shape[0]
    p = np.exp(z - special.logsumexp(z, axis=0))
    t = np.zeros_like(p)
    t[labels, range(n)] = 1
    d, g = (p - t) / n, {}
    for k in range(depth, 0, -1):
        g[f"W{k}"], g[f"b{k}"] = (d @ x[k - 1].T).T, d.sum(axis=1)
        d = (params[f"W{k}"] @ d) * (x[k - 1] > 0)
    loss = -np.mean(np.log((p * t).sum(axis=0)))
    return loss, g


def bias_as_a_row(params, inputs, labels):
    """The bias as one more row of W, whose input is one."""
    depth, n = len(params) // 2, len(inputs)
    ones = np.ones((n, 1), inputs.dtype)
    w = [np.vstack([params[f"W{k}"], params[f"b{k}"]]) for k in range(1, depth + 1)]
    x = [inputs]
    for each in w:
        x.append(np.maximum(np.hstack([x[-1], ones]) @ each, 0))
    z = np.hstack([x[-2], ones]) @ w[-1]
    d = special.softmax(z, axis=1)
    d[range(n), labels] -= 1
    g = {}
    for k in range(depth, 0, -1):
        both = np.hstack([x[k - 1], ones]).T @ d / n
        g[f"W{k}"], g[f"b{k}"] = both[:-1], both[-1]
        d = (d @ w[k - 1][:-1].T) * (x[k - 1] > 0)
    return g


def widened(dtype):
    """The gradient computed in a wider dtype and rounded back."""

    def gradient(params, inputs, labels):
        wide = {k: v.astype(dtype) for k, v in params.items()}
        xs, z = _forward(wide, inputs.astype(dtype), np.matmul)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        d = e / e.sum(axis=1, keepdims=True)
        d[np.arange(len(z)), labels] -= 1
        g = {}
        for k in range(len(xs), 0, -1):
            g[f"W{k}"], g[f"b{k}"] = xs[k - 1].T @ d / len(z), d.mean(axis=0)
            d = d @ wide[f"W{k}"].T * (xs[k - 1] > 0)
        return {k: v.astype(params[k].dtype) for k, v in g.items()}

    return gradient


def reused_buffers():
    """The same arrays at every call, filled anew, in an OrderedDict of the reverse order."""
    buffers = OrderedDict()

    def gradient(params, inputs, labels):
        for name, value in relu_gradient(params, inputs, labels).items():
            buffers.setdefault(name, np.empty_like(value))[...] = value
        return np.float32(0) if False else buffers

    return gradient


def changes_its_own_arrays(params, inputs, labels):
    """In-place work on copies and on what it has made itself."""
    params = {k: v.copy() for k, v in params.items()}
    z = inputs @ params["W1"]
    z += params["b1"]
    np.maximum(z, 0, out=z)
    p = z @ params["W2"]
    p += params["b2"]
    p -= p.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), labels] -= 1
    p *= p.dtype.type(1 / len(p))
    g = {"W2": z.T @ p, "b2": p.sum(0)}
    params["W2"] *= 1
    d = p @ params["W2"].T
    d[z <= 0] = 0
    return {**g, "W1": inputs.T @ d, "b1": d.sum(0)}


_RELU = ("relu", "relu-float32", "relu-deep", "wide-float32")
WAYS = (
    ("term after term", lambda: lambda *a: relu_gradient(*a, product=one_after_another), _RELU),
    ("from the last term", lambda: lambda *a: relu_gradient(*a, product=backwards, total=cumulative), _RELU),
    (
        "np.dot, running sums",
        lambda: lambda *a: relu_gradient(*a, product=np.dot, total=cumulative),
        ("wide", "relu-square"),
    ),
    ("column-major", lambda: column_major, ("relu", "relu-float32", "wide")),
    ("samples as columns", lambda: transposed_inside, ("relu", "relu-deep", "wide-float32", "one-sample")),
    ("bias as a row of W", lambda: bias_as_a_row, ("relu", "relu-square", "wide-float32")),
    ("float64 inside", lambda: widened(np.float64), ("relu-float32", "wide-float32", "relu")),
    ("longdouble inside", lambda: widened(np.longdouble), ("relu", "wide")),
    ("buffers that are used again", reused_buffers, ("relu", "relu-deep")),
    ("in place, on its own arrays", lambda: changes_its_own_arrays, ("relu", "wide-float32", "one-sample")),
)

"""Right gradients in loops: over samples, over layers as objects, over single numbers."""

import math

import numpy as np


def relu_per_sample(params, inputs, labels):
    """One sample after the other, one hidden layer or more, gradients added up and divided at the end."""
    depth = len(params) // 2
    total = {k: np.zeros_like(v) for k, v in params.items()}
    loss = 0.0
    for x, label in zip(inputs, labels, strict=True):
        activations = [x]
        for k in range(1, depth):
            activations.append(np.maximum(0, params[f"W{k}"].T @ activations[-1] + params[f"b{k}"]))
        logits = params[f"W{depth}"].T @ activations[-1] + params[f"b{depth}"]
        p = np.exp(logits - logits.max())
        p /= p.sum()
        loss -= np.log(p[label])
        d = p.copy()
        d[label] -= 1
        for k in range(depth, 0, -1):
            total[f"W{k}"] += np.outer(activations[k - 1], d)
            total[f"b{k}"] += d
            d = np.where(activations[k - 1] > 0, params[f"W{k}"] @ d, 0)
    n = len(inputs)
    return loss / n, {k: v / n for k, v in total.items()}


def tanh_outer_products(params, inputs, labels):
    """A list of outer products a layer, averaged by np.mean."""
    depth = len(params) // 2
    lists = {k: [] for k in params}
    for x, label in zip(inputs, labels, strict=True):
        a = [x]
        for k in range(1, depth + 1):
            z = a[-1] @ params[f"W{k}"] + params[f"b{k}"]
            a.append(np.tanh(z) if k < depth else np.exp(z) / np.exp(z).sum())
        d = a[-1] - np.eye(len(a[-1]), dtype=x.dtype)[label]
        for k in range(depth, 0, -1):
            lists[f"W{k}"].append(a[k - 1][:, None] * d[None, :])
            lists[f"b{k}"].append(d)
            d = (params[f"W{k}"] @ d) * (1 - a[k - 1] ** 2)
    return {k: np.mean(v, axis=0) for k, v in lists.items()}


def single_numbers(params, inputs, labels):
    """Python numbers only: sums as `sum` and loops make them."""
    w1, b1, w2, b2 = (params[k].tolist() for k in ("W1", "b1", "W2", "b2"))
    n, inner, outer, width = len(inputs), len(b1), len(b2), len(w1)
    g = {k: np.zeros(v.shape) for k, v in params.items()}
    loss = 0.0
    for x, label in zip(inputs.tolist(), labels.tolist(), strict=True):
        h = [sum(x[i] * w1[i][j] for i in range(width)) + b1[j] for j in range(inner)]
        a = [v if v > 0 else 0.0 for v in h]
        z = [sum(a[j] * w2[j][c] for j in range(inner)) + b2[c] for c in range(outer)]
        top = max(z)
        log_sum = top + math.log(sum(math.exp(v - top) for v in z))
        loss += (log_sum - z[label]) / n
        d = [(math.exp(v - log_sum) - (c == label)) / n for c, v in enumerate(z)]
        for c in range(outer):
            g["b2"][c] += d[c]
            for j in range(inner):
                g["W2"][j, c] += a[j] * d[c]
        for j in range(inner):
            e = sum(w2[j][c] * d[c] for c in range(outer)) if h[j] > 0 else 0.0
            g["b1"][j] += e
            for i in range(width):
                g["W1"][i, j] += x[i] * e
    return loss, {k: v.astype(params[k].dtype) for k, v in g.items()}


class Dense:
    """A layer as many a course has it: it keeps its input and its gradients."""

    def __init__(self, weights, bias):
        self.w, self.b = weights, bias

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        self.dw, self.db = self.x.T @ dout, np.sum(dout, 0)
        return dout @ self.w.T


class Sigmoid:
    def forward(self, x):
        self.out = 1.0 / (1.0 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1.0 - self.out)


def layer_objects(params, inputs, labels):
    """Objects with forward and backward, squared error over batch and classes or cross-entropy by probabilities."""
    depth = len(params) // 2
    layers = []
    for k in range(1, depth + 1):
        layers.append(Dense(params[f"W{k}"], params[f"b{k}"]))
        if k < depth:
            layers.append(Sigmoid())
    out = inputs
    for layer in layers:
        out = layer.forward(out)
    e = np.exp(out - np.max(out, axis=-1, keepdims=True))
    prob = e / np.sum(e, axis=-1, keepdims=True)
    dout = prob.copy()
    dout[range(len(labels)), labels] -= 1
    dout /= len(labels)
    for layer in reversed(layers):
        dout = layer.backward(dout)
    dense = layers[::2]
    return {f"W{k + 1}": d.dw for k, d in enumerate(dense)} | {f"b{k + 1}": d.db for k, d in enumerate(dense)}


def squares_per_output(params, inputs, labels):
    """Mean squared error of a relu network: one output, one sample after the other."""
    n, c = len(inputs), params["b2"].size
    g = {k: np.zeros_like(v) for k, v in params.items()}
    for s in range(n):
        hidden = inputs[s] @ params["W1"] + params["b1"]
        active = hidden.clip(min=0)
        for o in range(c):
            error = active @ params["W2"][:, o] + params["b2"][o] - (o == labels[s])
            slope = 2 * error / n / c
            g["b2"][o] += slope
            g["W2"][:, o] += slope * active
            back = slope * params["W2"][:, o] * (hidden > 0)
            g["b1"] += back
            g["W1"] += inputs[s][:, None] * back
    return g


def half_and_half(params, inputs, labels):
    """Two halves of the batch, each with a mean of its own, weighted by their sizes."""
    n, cut = len(inputs), (len(inputs) + 1) // 2
    parts = [relu_per_sample(params, inputs[:cut], labels[:cut])[1]]
    sizes = [cut]
    if n > cut:
        parts.append(relu_per_sample(params, inputs[cut:], labels[cut:])[1])
        sizes.append(n - cut)
    return {k: sum(size * part[k] for size, part in zip(sizes, parts, strict=True)) / n for k in params}


WAYS = (
    (
        "sample by sample",
        lambda: relu_per_sample,
        ("relu", "relu-float32", "relu-deep", "one-sample", "wide", "wide-float32"),
    ),
    (
        "outer products averaged",
        lambda: tanh_outer_products,
        ("tanh", "tanh-deep", "tanh-deep-float32", "one-sample-tanh"),
    ),
    ("single numbers", lambda: single_numbers, ("relu", "relu-float32", "one-sample")),
    ("layers as objects", lambda: layer_objects, ("sigmoid", "sigmoid-float32")),
    ("output by output", lambda: squares_per_output, ("relu-squares",)),
    ("two halves of the batch", lambda: half_and_half, ("relu", "relu-square", "wide-float32", "one-sample")),
)

"""Helper functions for each kind of layer, called for every layer of a network with weight decay."""

import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def leaky_forward(x):
    return np.where(x > 0, x, 0.1 * x), x


def leaky_backward(dout, cache):
    x = cache
    return dout * np.where(x > 0, 1.0, 0.1)


def affine_leaky_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, leaky_cache = leaky_forward(a)
    return out, (fc_cache, leaky_cache)


def affine_leaky_backward(dout, cache):
    fc_cache, leaky_cache = cache
    da = leaky_backward(dout, leaky_cache)
    return affine_backward(da, fc_cache)


def softmax_loss(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    N = scores.shape[0]
    loss = -log_probs[np.arange(N), y].sum() / N
    dscores = np.exp(log_probs)
    dscores[np.arange(N), y] -= 1
    dscores /= N
    return loss, dscores


def step(params, X, y, reg=0.05, depth=3):
    caches = {}
    out = X
    for i in range(1, depth):
        out, caches[i] = affine_leaky_forward(out, params[f"W{i}"], params[f"b{i}"])
    scores, caches[depth] = affine_forward(out, params[f"W{depth}"], params[f"b{depth}"])
    loss, dscores = softmax_loss(scores, y)
    for i in range(1, depth + 1):
        loss += 0.5 * reg * np.sum(params[f"W{i}"] ** 2)

    grads = {}
    dout, dw, db = affine_backward(dscores, caches[depth])
    grads[f"W{depth}"] = dw + reg * params[f"W{depth}"]
    grads[f"b{depth}"] = db
    for i in reversed(range(1, depth)):
        dout, dw, db = affine_leaky_backward(dout, caches[i])
        grads[f"W{i}"] = dw + reg * params[f"W{i}"]
        grads[f"b{i}"] = db
    return loss, grads


def example(rng):
    shapes = {"W1": (6, 5), "b1": (5,), "W2": (5, 4), "b2": (4,), "W3": (4, 3), "b3": (3,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.standard_normal((7, 2, 3)), rng.integers(0, 3, 7))

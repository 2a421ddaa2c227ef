"""Affine, batch normalisation, relu and dropout as pairs of functions with cache tuples, unpacked with stars."""

import numpy as np


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    ivar = 1.0 / np.sqrt(var + eps)
    x_hat = (x - mu) * ivar
    return gamma * x_hat + beta, (x_hat, gamma, ivar)


def batchnorm_backward(dout, cache):
    x_hat, *rest = cache
    gamma, ivar = rest
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    centred = N * dx_hat - dx_hat.sum(axis=0)
    dx = ivar / N * (centred - x_hat * (dx_hat * x_hat).sum(axis=0))
    return dx, dgamma, dbeta


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    dx = dout.copy()
    dx[cache <= 0] = 0
    return dx


def dropout_forward(x, keep, mask):
    kept = mask / keep
    return x * kept, kept


def dropout_backward(dout, cache):
    return dout * cache


def hinge_loss(scores, y, delta=1.0):
    rows = np.arange(len(y))
    margins = np.maximum(0, scores - scores[rows, y][:, None] + delta)
    margins[rows, y] = 0
    loss = margins.sum() / len(y)
    dscores = (margins > 0).astype(scores.dtype)
    dscores[rows, y] -= dscores.sum(axis=1)
    dscores /= len(y)
    return loss, dscores


def step(params, x, y, mask):
    caches = {}
    out, caches["fc1"] = affine_forward(x, params["W1"], params["b1"])
    out, caches["bn"] = batchnorm_forward(out, params["gamma"], params["beta"])
    out, caches["relu"] = relu_forward(out)
    out, caches["drop"] = dropout_forward(out, 0.8, mask)
    scores, caches["fc2"] = affine_forward(out, params["W2"], params["b2"])
    loss, dscores = hinge_loss(scores, y)

    grads = {}
    dout, grads["W2"], grads["b2"] = affine_backward(dscores, caches["fc2"])
    dout = dropout_backward(dout, caches["drop"])
    dout = relu_backward(dout, caches["relu"])
    dout, grads["gamma"], grads["beta"] = batchnorm_backward(dout, caches["bn"])
    _, grads["W1"], grads["b1"] = affine_backward(dout, caches["fc1"])
    return loss, grads


def example(rng):
    shapes = {"W1": (4, 5), "b1": (5,), "gamma": (5,), "beta": (5,), "W2": (5, 3), "b2": (3,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    mask = (rng.random((7, 5)) < 0.8).astype(float)
    return params, (rng.standard_normal((7, 4)), rng.integers(0, 3, 7), mask)

"""Batch normalisation between two layers, with helper functions and caches in tuples."""

import numpy as np

EPS = 1e-5


def batchnorm_forward(x, gamma, beta):
    mean = x.mean(axis=0)
    centred = x - mean
    var = np.mean(centred**2, axis=0)
    std = np.sqrt(var + EPS)
    xhat = centred / std
    out = gamma * xhat + beta
    return out, (gamma, xhat, centred, std)


def batchnorm_backward(dout, cache):
    gamma, xhat, centred, std = cache
    n = dout.shape[0]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    dstd = np.sum(-dxhat * centred / std**2, axis=0)
    dvar = 0.5 * dstd / std
    dcentred = dxhat / std
    dcentred += 2 * centred * dvar / n
    dmean = -np.sum(dcentred, axis=0)
    dx = dcentred + dmean / n
    return dx, dgamma, dbeta


def step(params, X, target):
    n = len(X)
    z = X @ params["W"]
    y, cache = batchnorm_forward(z, params["gamma"], params["beta"])
    h = np.tanh(y)
    out = h @ params["V"]
    diff = out - target
    loss = np.sum(diff**2) / (2 * n)

    dout = diff / n
    grads = {}
    grads["V"] = h.T @ dout
    dh = dout @ params["V"].T
    dy = dh * (1 - h**2)
    dz, grads["gamma"], grads["beta"] = batchnorm_backward(dy, cache)
    grads["W"] = X.T @ dz
    return loss, grads


def example(rng):
    params = {
        "W": rng.standard_normal((4, 5)),
        "gamma": rng.standard_normal(5),
        "beta": rng.standard_normal(5),
        "V": rng.standard_normal((5, 2)),
    }
    return params, (rng.standard_normal((7, 4)), rng.standard_normal((7, 2)))

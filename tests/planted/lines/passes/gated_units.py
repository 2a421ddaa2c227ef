"""A gated layer between an RMS normalisation and a residual connection, as a pair of functions with one cache."""

import numpy as np


def rmsnorm(x, g, eps=1e-6):
    ms = np.mean(x**2, axis=-1, keepdims=True)
    inv = 1.0 / np.sqrt(ms + eps)
    xhat = x * inv
    return g * xhat, (x, g, inv, xhat)


def rmsnorm_grad(dy, cache):
    x, g, inv, xhat = cache
    D = x.shape[-1]
    dg = np.sum(dy * xhat, axis=0)
    dxhat = dy * g
    dinv = np.sum(dxhat * x, axis=-1, keepdims=True)
    dms = -0.5 * dinv * inv**3
    dx = dxhat * inv + dms * 2.0 * x / D
    return dx, dg


def silu(z):
    return z / (1.0 + np.exp(-z))


def forward(x, g, w1, w2, w3):
    n, norm_cache = rmsnorm(x, g)
    gate = n @ w1
    up = n @ w3
    act = silu(gate)
    hidden = act * up
    y = x + hidden @ w2
    return y, (n, gate, up, act, hidden, w1, w2, w3, norm_cache)


def backward(dy, cache):
    n, gate, up, act, hidden, w1, w2, w3, norm_cache = cache
    dhidden = dy @ w2.T
    dw2 = hidden.T @ dy
    dact = dhidden * up
    dup = dhidden * act
    sig = 1.0 / (1.0 + np.exp(-gate))
    dgate = dact * (sig + gate * sig * (1 - sig))
    dw1 = n.T @ dgate
    dw3 = n.T @ dup
    dn = dgate @ w1.T
    dn += dup @ w3.T
    dx, dg = rmsnorm_grad(dn, norm_cache)
    dx = dx + dy
    return dx, dg, dw1, dw2, dw3


def step(params, target):
    y, cache = forward(*params)
    loss = 0.5 * np.sum((y - target) ** 2)
    return loss, backward(y - target, cache)


def example(rng):
    shapes = [(5, 4), (4,), (4, 6), (6, 4), (4, 6)]
    params = tuple(rng.standard_normal(shape) for shape in shapes)
    return params, (rng.standard_normal((5, 4)),)

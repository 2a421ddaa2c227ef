"""A tape of nested functions: each operation returns its value and the function that goes back through it."""

import numpy as np


def linear(x, W):
    def back(dy):
        return dy @ W.T, x.T @ dy

    return x @ W, back


def softplus(x):
    def back(dy):
        return dy / (1 + np.exp(-x))

    return np.log1p(np.exp(x)), back


def scaled(x, s):
    y = x * s

    def back(dy):
        ds = (dy * x).sum(axis=0)
        dx = dy * s
        return dx, ds

    return y, back


def squared_error(y, t):
    r = y - t

    def back():
        return 2.0 * r / r.size

    return np.mean(r**2), back


def step(params, x, t):
    z, back_z = linear(x, params["A"])
    a, back_a = softplus(z)
    u, back_u = scaled(a, params["s"])
    y, back_y = linear(u, params["B"])
    loss, back_loss = squared_error(y, t)

    def backward():
        gy = back_loss()
        gu, gB = back_y(gy)
        ga, gs = back_u(gu)
        gz = back_a(ga)
        _, gA = back_z(gz)
        return {"A": gA, "s": gs, "B": gB}

    return loss, backward()


def example(rng):
    params = {"A": rng.standard_normal((4, 5)), "s": rng.standard_normal(5), "B": rng.standard_normal((5, 2))}
    return params, (rng.standard_normal((6, 4)), rng.standard_normal((6, 2)))

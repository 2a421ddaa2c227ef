"""An ordinary differential equation by Heun's method, and its discrete adjoint with the Jacobians of the field."""

import numpy as np


def field(u, p):
    a, b, c = p
    return np.array([a * u[0] - b * u[0] * u[1], c * u[0] * u[1] - np.tanh(u[1])])


def field_u(u, p):
    a, b, c = p
    return np.array([[a - b * u[1], -b * u[0]], [c * u[1], c * u[0] - 1 + np.tanh(u[1]) ** 2]])


def field_p(u, p):
    return np.array([[u[0], -u[0] * u[1], 0.0], [0.0, 0.0, u[0] * u[1]]])


def step(params, data, dt):
    p, u = params["p"], params["u0"]
    us, mids = [u], []
    loss = 0.0
    for target in data:
        k1 = field(u, p)
        mid = u + dt * k1
        k2 = field(mid, p)
        u = u + 0.5 * dt * (k1 + k2)
        us.append(u)
        mids.append(mid)
        loss += 0.5 * np.sum((u - target) ** 2)

    lam = np.zeros(2)
    grad_p = np.zeros(3)
    for n in range(len(data) - 1, -1, -1):
        lam = lam + us[n + 1] - data[n]
        dk2 = 0.5 * dt * lam
        dmid = field_u(mids[n], p).T @ dk2
        dk1 = 0.5 * dt * lam + dt * dmid
        grad_p += field_p(mids[n], p).T @ dk2
        grad_p += field_p(us[n], p).T @ dk1
        lam = lam + dmid + field_u(us[n], p).T @ dk1
    return loss, {"p": grad_p, "u0": lam}


def example(rng):
    params = {"p": 0.5 + rng.random(3), "u0": 0.5 + rng.random(2)}
    return params, (rng.random((5, 2)), 0.2)

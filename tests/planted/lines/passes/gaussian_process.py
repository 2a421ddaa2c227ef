"""The log likelihood of a Gaussian process by its logarithmic hyperparameters: matrices of tangents, and traces."""

import numpy as np


def step(theta, X, y):
    length, amplitude, noise = np.exp(theta["length"]), np.exp(theta["amplitude"]), np.exp(theta["noise"])
    n = len(y)
    diff = X[:, None, :] - X[None, :, :]
    sq = np.sum((diff / length) ** 2, axis=-1)
    E = np.exp(-0.5 * sq)
    K = amplitude**2 * E + noise**2 * np.eye(n)
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    loss = 0.5 * y @ alpha + np.sum(np.log(np.diag(L))) + 0.5 * n * np.log(2 * np.pi)

    Kinv = np.linalg.solve(L.T, np.linalg.solve(L, np.eye(n)))
    inner = Kinv - np.outer(alpha, alpha)
    grad_length = np.empty_like(length)
    for d in range(len(length)):
        dK = amplitude**2 * E * diff[:, :, d] ** 2 / length[d] ** 2
        grad_length[d] = 0.5 * np.sum(inner * dK)
    dK_da = 2 * amplitude**2 * E
    grad_amplitude = 0.5 * np.trace(inner @ dK_da)
    dK_dn = 2 * noise**2 * np.eye(n)
    grad_noise = 0.5 * np.trace(inner @ dK_dn)
    return loss, {"length": grad_length, "amplitude": grad_amplitude, "noise": grad_noise}


def example(rng):
    X = rng.standard_normal((6, 2))
    theta = {"length": 0.2 * rng.standard_normal(2), "amplitude": np.array(0.3), "noise": np.array(-1.0)}
    return theta, (X, np.sin(X).sum(axis=1) + 0.1 * rng.standard_normal(6))

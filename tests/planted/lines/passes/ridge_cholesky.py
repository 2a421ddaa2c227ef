"""A ridge regression as a function of its hyperparameters: loss on held-out rows, and the Cholesky factor by loops.

The weights of the rows, the scales of the columns and the penalty are the point. beta solves
(X'WX + lam I) beta = X'Wy.
"""

import numpy as np


def cholesky(A):
    n = len(A)
    L = np.zeros_like(A)
    for j in range(n):
        L[j, j] = np.sqrt(A[j, j] - L[j, :j] @ L[j, :j])
        for i in range(j + 1, n):
            L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j]
    return L


def cholesky_bar(L, L_bar):
    """Bar of the lower triangle of A, in reversed order of the columns."""
    n = len(L)
    L_bar = L_bar.copy()
    A_bar = np.zeros_like(L)
    for j in range(n - 1, -1, -1):
        for i in range(n - 1, j, -1):
            top = L_bar[i, j] / L[j, j]
            A_bar[i, j] = top
            L_bar[j, j] -= top * L[i, j]
            L_bar[i, :j] -= top * L[j, :j]
            L_bar[j, :j] -= top * L[i, :j]
        A_bar[j, j] = 0.5 * L_bar[j, j] / L[j, j]
        L_bar[j, :j] -= 2 * A_bar[j, j] * L[j, :j]
    return A_bar


def step(hyper, X, y, X_val, y_val):
    scale, lam, w = np.exp(hyper["log_scale"]), np.exp(hyper["log_lam"]), np.exp(hyper["log_w"])
    n, n_val = len(y), len(y_val)

    Z, Z_val = X * scale, X_val * scale
    A = Z.T @ (w[:, None] * Z) + lam * np.eye(Z.shape[1])
    b = Z.T @ (w * (y - hyper["offset"]))
    L = cholesky(A)
    u = np.linalg.solve(L, b)
    beta = np.linalg.solve(L.T, u)
    resid = Z_val @ beta + hyper["offset"] - y_val
    log_det = 2 * np.sum(np.log(np.diag(L)))
    loss = 0.5 * np.mean(resid**2) + 0.1 * log_det / n

    resid_bar = resid / n_val
    offset_bar = resid_bar.sum()
    Z_val_bar = np.outer(resid_bar, beta)
    beta_bar = Z_val.T @ resid_bar

    # beta = L'^-1 u and u = L^-1 b
    u_bar = np.linalg.solve(L, beta_bar)
    L_bar = -np.outer(beta, u_bar)
    b_bar = np.linalg.solve(L.T, u_bar)
    L_bar -= np.outer(b_bar, u)
    log_det_bar = 0.1 / n
    L_bar += log_det_bar * 2 * np.diag(1 / np.diag(L))
    A_bar = cholesky_bar(L, np.tril(L_bar))

    A_sym = 0.5 * (A_bar + A_bar.T)
    centred = y - hyper["offset"]
    lam_bar = np.trace(A_bar)
    Z_bar = 2 * w[:, None] * (Z @ A_sym)
    w_bar = np.einsum("ni,ij,nj->n", Z, A_sym, Z)
    Z_bar += np.outer(w * centred, b_bar)
    w_bar += centred * (Z @ b_bar)
    offset_bar -= w @ (Z @ b_bar)
    scale_bar = np.sum(Z_bar * X, axis=0) + np.sum(Z_val_bar * X_val, axis=0)
    return loss, {
        "log_scale": scale_bar * scale,
        "log_lam": lam_bar * lam,
        "log_w": w_bar * w,
        "offset": offset_bar,
    }


def example(rng):
    hyper = {
        "log_scale": 0.4 * rng.standard_normal(3),
        "log_lam": np.array(-0.3),
        "log_w": 0.5 * rng.standard_normal(7),
        "offset": np.array(0.2),
    }
    return hyper, (
        rng.standard_normal((7, 3)),
        rng.standard_normal(7),
        rng.standard_normal((5, 3)),
        rng.standard_normal(5),
    )

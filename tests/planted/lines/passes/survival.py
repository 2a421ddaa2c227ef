"""Weibull survival times with censoring, group frailties and a decaying age effect, by one flat parameter vector."""

import numpy as np

RIDGE = 0.3
P, G = 4, 3  # covariates, groups
W = slice(0, P)
U = slice(P, P + G)
INTERCEPT, LOG_SHAPE, AMP, LOG_RATE, LOG_TAU = range(P + G, P + G + 5)


def step(theta, X, group, age, t, died):
    n = len(t)
    w, u = theta[W], theta[U]
    k, rate, tau = np.exp(theta[LOG_SHAPE]), np.exp(theta[LOG_RATE]), np.exp(theta[LOG_TAU])

    decay = np.exp(-rate * age)
    eta = X @ w + theta[INTERCEPT] + u[group] + theta[AMP] * decay
    r = np.log(t) - eta
    H = np.exp(k * r)  # cumulative hazard
    loglik = died * (theta[LOG_SHAPE] + k * r - np.log(t)) - H
    penalty = 0.5 * RIDGE * w @ w + 0.5 * tau * u @ u - 0.5 * G * theta[LOG_TAU]
    f = -loglik.mean() + penalty

    g = np.zeros_like(theta)
    g_loglik = -np.ones(n) / n
    g_H = -g_loglik
    g_r = g_loglik * died * k
    g_k = np.sum(g_loglik * died * r)
    g_r += g_H * H * k
    g_k += np.sum(g_H * H * r)
    g[LOG_SHAPE] = g_k * k + np.sum(g_loglik * died)
    g_eta = -g_r
    g[W] = X.T @ g_eta + RIDGE * w
    g[INTERCEPT] = g_eta.sum()
    np.add.at(g[U], group, g_eta)
    g[U] += tau * u
    g[AMP] = g_eta @ decay
    g_decay = g_eta * theta[AMP]
    g_rate = -np.sum(g_decay * decay * age)
    g[LOG_RATE] = g_rate * rate
    g[LOG_TAU] = 0.5 * tau * (u @ u) - 0.5 * G
    return f, g


def example(rng):
    n = 9
    theta = 0.5 * rng.standard_normal(P + G + 5)
    theta[LOG_RATE] = -0.6 + 0.2 * theta[LOG_RATE]
    theta[AMP] = 1.0 + theta[AMP] / 2
    group = np.arange(n) * 2 % G
    died = np.array([1.0, 0, 1, 1, 0, 1, 1, 0, 1])
    return theta, (
        rng.standard_normal((n, P)),
        group,
        rng.random(n) + 0.2,
        np.exp(0.5 * rng.standard_normal(n)),
        died,
    )

"""Counts with too many zeros: a Poisson regression mixed with a logistic one, properties and one vector."""

import numpy as np


class ZeroInflatedPoisson:
    def __init__(self, counts, X, Z, exposure, ridge):
        self.counts, self.X, self.Z = counts, X, Z
        self.exposure = exposure
        self.ridge = ridge
        self._theta = None

    def at(self, theta):
        self._theta = theta
        return self

    @property
    def is_zero(self):
        return self.counts == 0

    @property
    def beta(self):
        return self._theta[: self.X.shape[1]]

    @property
    def gamma(self):
        return self._theta[self.X.shape[1] :]

    @property
    def rate(self):
        return self.exposure * np.exp(self.X @ self.beta)

    @property
    def excess(self):
        return 1.0 / (1.0 + np.exp(-self.Z @ self.gamma))

    def loglik_obs(self):
        lam, p = self.rate, self.excess
        return np.where(
            self.is_zero,
            np.log(p + (1 - p) * np.exp(-lam)),
            np.log(1 - p) + self.counts * np.log(lam) - lam,
        )

    def penalty(self):
        return 0.5 * self.ridge * (np.sum(self.beta[1:] ** 2) + np.sum(self.gamma[1:] ** 2))

    def objective(self):
        return self.penalty() - self.loglik_obs().mean()

    def score_obs(self):
        lam, p = self.rate, self.excess
        none = np.exp(-lam)
        mix = p + (1 - p) * none
        by_lam = np.where(self.is_zero, -(1 - p) * none / mix, self.counts / lam - 1)
        by_p = np.where(self.is_zero, (1 - none) / mix, -1 / (1 - p))
        by_eta = by_lam * lam
        by_zeta = by_p * p * (1 - p)
        return by_eta, by_zeta

    def gradient(self):
        by_eta, by_zeta = self.score_obs()
        n = len(self.counts)
        shrink = self.ridge * self._theta
        shrink[0] = 0.0
        shrink[self.X.shape[1]] = 0.0
        score = np.concatenate([self.X.T @ by_eta, self.Z.T @ by_zeta])
        return shrink - score / n


def step(theta, counts, X, Z, exposure):
    model = ZeroInflatedPoisson(counts, X, Z, exposure, ridge=0.3).at(theta)
    return model.objective(), model.gradient()


def example(rng):
    n = 12
    X = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    Z = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    counts = np.array([0, 0, 0, 0, 0, 1, 2, 1, 3, 0, 4, 2])
    return 0.5 * rng.standard_normal(6), (counts, X, Z, rng.uniform(0.5, 2.0, n))

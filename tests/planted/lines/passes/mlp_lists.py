"""A class with lists of weights; slopes by a method of their own, the way back by reversed zips."""

# ruff: noqa: B905, RUF007  # as people write it
import numpy as np


class MLP:
    def __init__(self, weights, biases, lam):
        self.W, self.b, self.lam = list(weights), list(biases), lam
        self.dW, self.db = [None] * len(self.W), [None] * len(self.b)

    @staticmethod
    def act(z):
        return z / (1 + np.exp(-z))

    @staticmethod
    def act_prime(z):
        s = 1 / (1 + np.exp(-z))
        return s + z * s * (1 - s)

    def forward(self, x):
        self.inputs, self.zs = [], []
        a = x
        for W, b in zip(self.W, self.b):
            self.inputs.append(a)
            z = a @ W + b
            self.zs.append(z)
            a = self.act(z) if len(self.zs) < len(self.W) else z
        return a

    def penalty(self):
        return 0.5 * self.lam * sum(np.sum(W**2) for W in self.W)

    def backward(self, error):
        for i, (W, a) in reversed(list(enumerate(zip(self.W, self.inputs)))):
            self.dW[i] = a.T @ error + self.lam * W
            self.db[i] = error.sum(axis=0)
            if i > 0:
                slope = self.act_prime(self.zs[i - 1])
                error = (error @ W.T) * slope
        return self.dW, self.db


def step(params, x, y):
    net = MLP(params["W"], params["b"], 0.05)
    out = net.forward(x)
    residual = out - y
    huber = np.where(np.abs(residual) < 1, 0.5 * residual**2, np.abs(residual) - 0.5)
    loss = huber.sum(axis=1).mean() + net.penalty()
    clipped = np.clip(residual, -1, 1)
    dW, db = net.backward(clipped / len(x))
    return loss, {"W": dW, "b": db}


def example(rng):
    sizes = (3, 5, 4, 2)
    W = [0.7 * rng.standard_normal(pair) for pair in zip(sizes[:-1], sizes[1:])]
    b = [0.3 * rng.standard_normal(size) for size in sizes[1:]]
    return {"W": W, "b": b}, (rng.standard_normal((6, 3)), rng.standard_normal((6, 2)))

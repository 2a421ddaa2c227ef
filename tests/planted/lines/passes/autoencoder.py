"""A variational autoencoder: two heads, noise that is handed in, a divergence beside the error."""

import numpy as np


class Autoencoder:
    def __init__(self, params):
        self.__dict__.update(params)

    def encode(self, x):
        self.h = np.tanh(x @ self.We)
        return self.h @ self.Wm, self.h @ self.Wv

    def decode(self, z):
        self.u = np.tanh(z @ self.Wd)
        return 1 / (1 + np.exp(-self.u @ self.Wo))


def step(params, x, noise):
    net, n = Autoencoder(params), len(x)
    mu, logvar = net.encode(x)
    sigma = np.exp(logvar / 2)
    z = mu + sigma * noise
    y = net.decode(z)
    error = -np.sum(x * np.log(y) + (1 - x) * np.log(1 - y)) / n
    divergence = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar)) / n
    loss = error + divergence

    g = {}
    dlogits = (y - x) / n
    g["Wo"] = net.u.T @ dlogits
    du = dlogits @ net.Wo.T
    du *= 1 - net.u**2
    g["Wd"] = z.T @ du
    dz = du @ net.Wd.T
    dmu = dz + mu / n
    dlogvar = 0.5 * dz * noise * sigma + 0.5 * (np.exp(logvar) - 1) / n
    g["Wm"] = net.h.T @ dmu
    g["Wv"] = net.h.T @ dlogvar
    dh = dmu @ net.Wm.T + dlogvar @ net.Wv.T
    g["We"] = x.T @ (dh * (1 - net.h**2))
    return loss, g


def example(rng):
    shapes = {"We": (5, 4), "Wm": (4, 2), "Wv": (4, 2), "Wd": (2, 3), "Wo": (3, 5)}
    params = {name: 0.7 * rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, (rng.uniform(0.1, 0.9, (6, 5)), rng.standard_normal((6, 2)))

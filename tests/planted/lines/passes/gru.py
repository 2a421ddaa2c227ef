"""A gated recurrent unit: while loops over time, states in a stack, the loss at the last step alone."""

import numpy as np


def sig(t):
    return 1 / (1 + np.exp(-t))


def step(p, xs, target):
    h = np.zeros((xs.shape[1], p["Uz"].shape[0]))
    stack, t = [], 0
    while t < len(xs):
        x = xs[t]
        z = sig(x @ p["Wz"] + h @ p["Uz"])
        r = sig(x @ p["Wr"] + h @ p["Ur"])
        rh = r * h
        c = np.tanh(x @ p["Wc"] + rh @ p["Uc"])
        stack.append((x, h, z, r, rh, c))
        h = (1 - z) * h + z * c
        t += 1
    err = h - target
    loss = 0.5 * np.mean(np.sum(err**2, axis=1))

    g = {name: np.zeros_like(each) for name, each in p.items()}
    dh = err / len(err)
    while stack:
        x, h, z, r, rh, c = stack.pop()
        dz = dh * (c - h)
        dc = dh * z
        dac = dc * (1 - c**2)
        drh = dac @ p["Uc"].T
        dr = drh * h
        daz = dz * z * (1 - z)
        dar = dr * r * (1 - r)
        g["Wz"] += x.T @ daz
        g["Wr"] += x.T @ dar
        g["Wc"] += x.T @ dac
        g["Uz"] += h.T @ daz
        g["Ur"] += h.T @ dar
        g["Uc"] += rh.T @ dac
        dh = dh * (1 - z) + drh * r + daz @ p["Uz"].T + dar @ p["Ur"].T
    return loss, g


def example(rng):
    p = {f"W{k}": rng.standard_normal((3, 4)) for k in "zrc"} | {
        f"U{k}": rng.standard_normal((4, 4)) for k in "zrc"
    }
    return p, (rng.standard_normal((4, 3, 3)), rng.standard_normal((3, 4)))

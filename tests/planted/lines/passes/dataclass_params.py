"""Parameters and gradients in a dataclass; tuple assignments and assignment expressions."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Params:
    U: np.ndarray
    V: np.ndarray
    c: np.ndarray


def forward(p, x):
    pre, n = x @ p.U + p.c, len(x)
    gate = 1.0 / (1.0 + np.exp(-pre))
    out = (mid := pre * gate) @ p.V
    return pre, gate, mid, out, n


def step(p, x, t):
    pre, gate, mid, out, n = forward(p, x)
    err = out - t
    loss = 0.5 * np.sum(err * err) / n
    d_out, w = err / n, p.V
    d_V, d_mid = mid.T @ d_out, d_out @ w.T
    d_gate = d_mid * pre
    d_pre = d_mid * gate + d_gate * (slope := gate * (1.0 - gate))
    assert slope.shape == pre.shape
    d_U, d_c = x.T @ d_pre, np.sum(d_pre, axis=0)
    return loss, Params(U=d_U, V=d_V, c=d_c)


def example(rng):
    p = Params(rng.standard_normal((3, 4)), rng.standard_normal((4, 2)), rng.standard_normal(4))
    return p, (rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))

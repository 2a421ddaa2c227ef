"""Layers as dataclasses, told apart by `match`; gradients in a list of dicts that a generator fills."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Dense:
    name: str


@dataclass
class Norm:
    name: str
    eps: float = 1e-3


@dataclass
class Elu:
    alpha: float = 0.7


LAYERS = [Dense("A"), Norm("g"), Elu(), Dense("B")]


def forward(params, x):
    tape = []
    for layer in LAYERS:
        match layer:
            case Dense(name):
                tape.append((layer, x))
                x = x @ params[name]
            case Norm(name, eps):
                r = 1 / np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)
                tape.append((layer, (x, r)))
                x = x * r * params[name]
            case Elu(alpha):
                y = np.where(x > 0, x, alpha * np.expm1(x))
                tape.append((layer, y))
                x = y
    return x, tape


def gradients(params, tape, g):
    for layer, saved in reversed(tape):
        match layer:
            case Dense(name):
                yield name, saved.T @ g
                g = g @ params[name].T
            case Norm(name, _):
                x, r = saved
                yield name, (g * x * r).sum(axis=0)
                g = g * params[name]
                dr = (g * x).sum(axis=1, keepdims=True)
                g = g * r - dr * r**3 * x / x.shape[1]
            case Elu(alpha):
                slope = np.where(saved > 0, 1.0, saved + alpha)
                g = g * slope


def step(params, x, t, weight):
    out, tape = forward(params, x)
    prob = 1 / (1 + np.exp(-out))
    eps = 1e-12
    terms = weight * t * np.log(prob + eps) + (1 - t) * np.log(1 - prob + eps)
    loss = -terms.mean()
    g = (prob * (1 - t + weight * t) - weight * t) / t.size
    return loss, dict(gradients(params, tape, g))


def example(rng):
    params = {"A": rng.standard_normal((3, 5)), "g": rng.standard_normal(5), "B": rng.standard_normal((5, 2))}
    return params, (rng.standard_normal((6, 3)), rng.integers(0, 2, (6, 2)).astype(float), 1.7)

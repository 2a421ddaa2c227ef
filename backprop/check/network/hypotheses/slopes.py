"""Slopes: what is written by mistake for f'(z), one table an activation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from backprop.arrays import Array
from backprop.layers import ACTIVATIONS, GELU, Elementwise, Sigmoid, Tanh
from backprop.layers.gelu import normal_distribution


def derivative_of(activation: Elementwise, at: Array) -> Array:
    """f' of any array."""
    return np.asarray(activation.derivative(at, activation.forward({}, at)), np.float64)


def wrong_formulas(activation: Elementwise, z: Array, y: Array) -> Iterator[tuple[Array, str]]:
    """Slopes that are nearly right, each with its formula; y = f(z)."""
    if isinstance(activation, Tanh):
        yield 1 - y, "1 - y (not squared)"
        yield 1 + y * y, "1 + y²"
        yield y * y - 1, "y² - 1"
        yield y * (1 - y), "y (1 - y), which is the sigmoid's"
        yield 1 - np.tanh(y) ** 2, "1 - tanh²(y)"
        yield 1 / np.cosh(z), "1 / cosh z (not squared)"
    elif isinstance(activation, Sigmoid):
        yield y, "y (without 1 - y)"
        yield 1 - y, "1 - y (without y)"
        yield y * y, "y²"
        yield y * (1 + y), "y (1 + y)"
        yield y * (y - 1), "y (y - 1)"
        yield 1 - y * y, "1 - y², which is tanh's"
    elif isinstance(activation, GELU):
        big, small = normal_distribution(z), _density(z)
        yield big, "Φ(z) (without z φ(z))"
        yield z * small, "z φ(z) (without Φ(z))"
        yield big + small, "Φ(z) + φ(z) (without the factor z)"
        yield big - z * small, "Φ(z) - z φ(z)"
        yield big + z * small * math.sqrt(2 * math.pi), "Φ(z) + z exp(-z²/2) (without 1/√(2π))"
        yield big * z, "z Φ(z)"
        yield gelu_tanh_slope(z), "the derivative of its approximation by tanh"
        logistic = _logistic(1.702 * z)
        yield logistic + 1.702 * z * logistic * (1 - logistic), "the derivative of z σ(1.702 z)"


def gelu_tanh(z: Array) -> Array:
    """The approximation of gelu by tanh (Hendrycks and Gimpel, arXiv:1606.08415, section 2)."""
    return np.asarray(0.5 * z * (1 + np.tanh(_INNER * (z + 0.044715 * z**3))))


def gelu_tanh_slope(z: Array) -> Array:
    """Its derivative."""
    t = np.tanh(_INNER * (z + 0.044715 * z**3))
    return np.asarray(0.5 * (1 + t) + 0.5 * z * (1 - t * t) * _INNER * (1 + 3 * 0.044715 * z * z))


_INNER = math.sqrt(2 / math.pi)


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))


def _logistic(z: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


LOOKALIKES: dict[str, Callable[[Array], Array]] = {
    **{
        name: partial(derivative_of, kind())
        for name, kind in ACTIVATIONS.items()
        if issubclass(kind, Elementwise)
    },
    "softplus": _logistic,
    "elu": lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
}
"""The derivatives of other activations."""

"""Slopes that people write for that of an element-wise function f, by their formulas, and which of them one is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.quotients import TINY

_SAME = 1e-9
"""Of the largest slope: what two ways to write the same slope differ by."""
_STEEP = 1.702
"""gelu is about z σ(1.702 z) (Hendrycks and Gimpel, arXiv:1606.08415, section 2)."""


def named_slope(
    slope: Array, x: Array, y: Array, others: Mapping[str, Array], relative: float = _SAME
) -> str:
    """A formula for the slopes (k,) at x, in words; "" if none fits. y: the function's values.

    others: further numbers (k,) by name. relative: the error of the slopes, as a share of the largest one.
    """
    for words, values in {**slopes_at(x, y, "x"), **others}.items():
        if values.shape == slope.shape and is_same_slope(values, slope, relative):
            return words
    return ""


def is_same_slope(one: Array, other: Array, relative: float = _SAME) -> bool:
    """Whether slopes are the same, to rounding."""
    off = np.max(np.abs(one - other), initial=0)
    return bool(off <= relative * np.max(np.abs(one), initial=TINY))  # False for NaN


def slopes_at(z: Array, y: Array, name: str) -> dict[str, Array]:
    """Every slope that is known here, at z, by its formula in what z is called; y = f(z)."""
    from scipy.special import ndtr  # not at import

    z, y = z.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        s, t, normal = 1 / (1 + np.exp(-z)), np.tanh(z), ndtr(z)
        density, steep = np.exp(-z * z / 2) / math.sqrt(2 * math.pi), 1 / (1 + np.exp(-_STEEP * z))
        known = {
            "0": 0 * z,
            "z": z,
            "y": y,
            "1 where z > 0, else 0": (z > 0) * 1.0,
            "1 where z < 0, else 0": (z < 0) * 1.0,
            "1 - z²": 1 - z * z,
            "z (1 - z)": z * (1 - z),
            "1 / z": 1 / z,
            "exp z": np.exp(z),
            "1 - y": 1 - y,
            "1 - y²": 1 - y * y,
            "1 + y²": 1 + y * y,
            "y² - 1": y * y - 1,
            "y²": y * y,
            "y (1 - y)": y * (1 - y),
            "y (1 + y)": y * (1 + y),
            "y (y - 1)": y * (y - 1),
            "tanh z": t,
            "1 - tanh² z": 1 - t * t,
            "1 / cosh z": 1 / np.cosh(z),
            "σ(z)": s,
            "σ(z) (1 - σ(z))": s * (1 - s),
            "z σ(z) (1 - σ(z))": z * s * (1 - s),
            "σ(z) + σ(z) (1 - σ(z))": s + s * (1 - s),
            "σ(z) + y σ(z)": s + y * s,
            "Φ(z)": normal,
            "φ(z)": density,
            "z φ(z)": z * density,
            "z Φ(z)": z * normal,
            "Φ(z) + φ(z)": normal + density,
            "Φ(z) - z φ(z)": normal - z * density,
            "Φ(z) + z exp(-z²/2)": normal + z * np.exp(-z * z / 2),
            "the derivative of gelu's approximation by tanh": gelu_tanh_slope(z),
            "the derivative of z σ(1.702 z)": steep + _STEEP * z * steep * (1 - steep),
        }
    return {words.replace("z", name): each for words, each in known.items()}


_INNER, _CUBIC = math.sqrt(2 / math.pi), 0.044715
"""The constants of the approximation of gelu by tanh, by the same authors."""


def gelu_tanh(z: Array) -> Array:
    """The approximation of gelu by tanh."""
    return np.asarray(0.5 * z * (1 + np.tanh(_INNER * (z + _CUBIC * z**3))))


def gelu_tanh_slope(z: Array) -> Array:
    """The derivative of the approximation of gelu by tanh."""
    t = np.tanh(_INNER * (z + _CUBIC * z**3))
    return np.asarray(0.5 * (1 + t) + 0.5 * z * (1 - t * t) * _INNER * (1 + 3 * _CUBIC * z * z))

"""Noise: how far rounding moves a function's values, from the differences of a few of them close together.

    σ_k² = (k!)² / (2k)! · mean of (Δᵏ f)²

In differences of high order the smooth part of f(x + jδv), j = 1 … 7, is gone and the noise is left (Moré and Wild
2011, Estimating computational noise, SIAM J. Sci. Comput. 33(3), 1292-1314). The points lie on one side of x, so
that a kink at x itself is no noise.
"""

from __future__ import annotations

import math

import numpy as np

from backprop.arrays import Array
from backprop.check.evaluation import Probe

_POINTS = 7
_EXPONENTS = (0.25, 0.4, 0.6)
_SAFETY = 3.0


def noise(probe: Probe, direction: Array, eps: float) -> Array:
    """The size (m,) of the noise near the point, at least eps · |f|.

    Steps of eps^(1/4) see intermediates of lower precision, too. Where they see more than rounding, smaller steps
    tell noise from a function that changes fast, as long as every one of them changes the value, and not by the
    same amount: an intermediate of lower precision sees such steps as equal or not at all.
    """
    values = _values(probe, direction, eps ** _EXPONENTS[0])
    floor = eps * np.fmax(np.abs(probe.value), np.nan_to_num(np.abs(values)).max(axis=0))
    found = np.fmax(_deviation(values), floor)
    for exponent in _EXPONENTS[1:]:
        if np.all(found <= 30 * floor):
            break
        values = _values(probe, direction, eps**exponent)
        finer = _deviation(values)
        seen = np.array([len(np.unique(column)) == _POINTS for column in values.T]) & (finer > 0.02 * floor)
        found = np.where(seen, np.fmin(found, np.fmax(finer, floor)), found)
    return np.asarray(_SAFETY * np.where(np.isfinite(found), found, 10 * floor))


def _values(probe: Probe, direction: Array, step: float) -> Array:
    """The values (7, m) on one side of the point; on the other, where the function has none on the first."""
    for side in (direction, -direction, np.abs(direction), -np.abs(direction)):
        values = np.array([probe.at(probe.point + j * step * side) for j in range(1, _POINTS + 1)])
        if np.all(np.isfinite(values)) or not probe.room(4 * _POINTS):
            break
    return values


def _deviation(values: Array) -> Array:
    """The smallest σ_k (m,) of the orders 4 to 6."""
    sizes = []
    table = values
    for order in range(1, _POINTS):
        table = np.diff(table, axis=0)
        if order >= 4:
            gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
            sizes.append(np.sqrt(gamma * np.mean(table**2, axis=0)))
    return np.asarray(np.min(sizes, axis=0))

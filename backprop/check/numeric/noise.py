"""Noise: how far rounding moves a function's values, from the differences of a few of them close together.

    σ² = (4!)² / 8! · (Δ⁴ f)²

In fourth differences the smooth part of f(x + jδv), j = 1 … 11, is gone and the noise is left (Moré and Wild 2011,
Estimating computational noise, SIAM J. Sci. Comput. 33(3), 1292-1314). Their median is taken, which one kink among
the points does not move; and the points lie on one side of x, so that a kink at x itself is none of them.
"""

from __future__ import annotations

import math

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.evaluation import Probe

_POINTS = 11
_STEPS = (0.25, 0.4, 0.6)
_ORDER = 4
_GAMMA = math.factorial(_ORDER) ** 2 / math.factorial(2 * _ORDER)
_MEDIAN = 0.6745  # of the absolute value of a normal variable
_SAFETY = 3.0
_UNEVEN = 0.7390851332151607  # a step of few bits would be rounded alike in all points
_QUIET = 30.0
_FEW = 8
_SINGLE = 2.0**-23
_BESIDE = 2.0**-9
_UNSEEN = 2.0**-26  # less than half of float32's rounding


def noise(probe: Probe, direction: Array) -> Array:
    """The size (m,) of the noise near the point, at least eps · |f|.

    Steps of eps^(1/4) see intermediates of lower precision, too. Where they see more than rounding, steps of
    eps^(2/5) tell noise from kinks, which they meet less often. Where noise is all that these see, the function may
    change fast: steps of eps^(3/5) tell, unless the function rounds its input so coarsely that it does not see them.
    """
    eps = probe.eps
    step = eps ** _STEPS[0]
    rays = [_values(probe, direction, step)]
    if np.count_nonzero(direction) <= _FEW:  # of a few numbers, equal steps may all be rounded alike
        rays += [_values(probe, direction, factor * step) for factor in (-_UNEVEN, 8 * _UNEVEN**2)]
    floor = _floor(probe, rays[0])
    probe.coarse = _is_coarse(probe, direction)
    if probe.coarse:  # f(x) is that of x rounded to float32
        slope = np.nan_to_num(np.ptp(rays[0], axis=0)) / (_POINTS * _UNEVEN * step)
        floor = np.maximum(floor, _SINGLE * slope)
    found = np.fmax(np.fmax.reduce([_deviation(values) for values in rays]), floor)
    if np.all(found <= _QUIET * floor):
        return np.asarray(_SAFETY * found)
    nearer = [_values(probe, direction, factor * eps ** _STEPS[1]) for factor in (1, _UNEVEN)]
    # In values on a grid, steps of a whole number of it show no noise: of two sizes, one will.
    found = np.fmin(found, np.fmax(floor, np.fmax(*map(_deviation, nearer))))
    loud = (found > _QUIET * floor) & (found > 0.03 * np.nan_to_num(np.ptp(nearer[0], axis=0)))
    if np.any(loud) and not probe.coarse:
        values = _values(probe, direction, eps ** _STEPS[2])
        finest = np.fmax(_deviation(values), floor)
        found = np.where(loud & (np.ptp(values, axis=0) > 0), np.fmin(found, finest), found)
    return np.asarray(_SAFETY * np.where(np.isfinite(found), found, 10 * floor))


def _values(probe: Probe, direction: Array, step: float) -> Array:
    """The values (11, m) on one side of the point; on the other, where the function has none on the first."""
    for side in (direction, -direction, np.abs(direction), -np.abs(direction)):
        points = (probe.point + j * _UNEVEN * step * side for j in range(1, _POINTS + 1))
        values = np.array([probe.at(point) for point in points])
        if np.all(np.isfinite(values)) or not probe.room(4 * _POINTS):
            break
    return values


def _deviation(values: Array) -> Array:
    """σ (m,), NaN where there are no values."""
    differences = np.abs(np.diff(values, n=_ORDER, axis=0))
    return np.asarray(np.median(differences, axis=0) / _MEDIAN * math.sqrt(_GAMMA))


def _floor(probe: Probe, values: Array) -> Array:
    """Eps of the values (m,); float32's where they come in it, or are numbers of it."""
    given = float(np.finfo(probe.given).eps) if probe.given.kind == "f" else 0.0
    seen = np.concatenate([probe.value[None], np.nan_to_num(values)])
    with np.errstate(all="ignore"):
        single = np.all(seen.astype(np.float32) == seen, axis=0) & (np.ptp(seen, axis=0) > 0)
    eps = max(probe.eps, given)
    return np.asarray(np.where(single, max(eps, _SINGLE), eps) * np.max(np.abs(seen), axis=0))


def _is_coarse(probe: Probe, direction: Array) -> bool:
    """Whether the function gives the same for a point of float32 numbers and for one a little beside them.

    Only where it would have shown the difference: by how much it moves for a larger one.
    """
    beside = probe.point + _BESIDE * direction  # where no entry that moves is 0
    single = beside.astype(np.float32).astype(beside.dtype)
    if not np.all(np.isfinite(single)) or probe.eps > _SINGLE / 4 or not probe.room(3):
        return False
    at, near, far = (probe.at(single * (1 + step)) for step in (0.0, _UNSEEN, 256 * _UNSEEN))
    expected = np.abs(far - at) / 256
    shown = expected > 4 * probe.eps * np.abs(at)
    return bool(np.any(shown)) and bool(np.all((near == at)[shown]))

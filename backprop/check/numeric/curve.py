"""Curves along one random direction: error against step, and the remainder of Taylor's theorem.

error       |D(h) - g·v| / |g·v|                     a V for a right gradient, a level for a wrong one
remainder   |f(x + hv) - f(x) - h g·v| = O(h²)       for a right gradient; O(h) for a wrong one
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.slope import Slope
from backprop.check.numeric.truth import Truth
from backprop.check.result import StepCurve

LEVELS = 11


@dataclass(frozen=True)
class Curve:
    """What steps along one direction show. slope: the limit of the quotients."""

    slope: Slope
    steps: StepCurve
    taylor_slope: float | None


def curve(truth: Truth, direction: Direction) -> Curve | None:
    """Take many steps along `direction`; None where none could be taken."""
    ladder = truth.ladder(direction)
    while len(ladder.steps) < LEVELS and ladder.down():
        pass
    if not ladder.steps:
        return None
    claimed, f = direction.along(truth.claimed), truth.probe.value
    h = np.asarray(ladder.wide)[:, None]
    plus, minus = np.array(ladder.plus), np.array(ladder.minus)
    slope = ladder.slope()
    with np.errstate(all="ignore"):
        quotients = (plus - minus) / (2 * h)
        scale = max(_norm(claimed), _norm(slope.value)) or 1.0
        errors = [_norm(quotient - claimed) / scale for quotient in quotients]
        remainders = np.array([_norm(one - f - step * claimed) for one, step in zip(plus, h, strict=True)])
    kept = [k for k, error in enumerate(errors) if np.isfinite(error)]
    steps = StepCurve(tuple(ladder.wide[k] for k in kept), tuple(errors[k] for k in kept))
    floor = 30 * _norm(np.asarray(ladder.noise))
    return Curve(slope, steps, _order(np.asarray(ladder.wide), remainders, floor))


def _order(steps: Array, remainders: Array, floor: float) -> float | None:
    """The slope in logarithms over the four smallest steps whose remainder is above the noise."""
    seen = np.flatnonzero(np.isfinite(remainders) & (remainders > floor))[-4:]
    if len(seen) < 3:
        return None
    fit = np.polyfit(np.log(steps[seen].astype(float)), np.log(remainders[seen].astype(float)), 1)
    return float(fit[0])


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))

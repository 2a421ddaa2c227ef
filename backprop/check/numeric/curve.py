"""Curves along one random direction: error against step, and the remainder of Taylor's theorem.

error       |D(h) - g·v| / |g·v|                     a V for a right gradient, a level for a wrong one
remainder   |f(x + hv) - f(x) - h g·v| = O(h²)       for a right gradient; O(h) for a wrong one
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.reading import Reading
from backprop.check.numeric.slopes import FIRST_STEP, RATIO, Direction, Ladder, Slope
from backprop.check.numeric.truth import Truth
from backprop.check.result import StepCurve

LEVELS = 11
_SMALLEST = 3  # steps, at which noise is nearly all that is seen
_ALIKE = 8.0  # what truncation would make of three steps falls by more than this
_RESOLVED = (
    0.05  # of the slope: a central quotient so near to it comes from a step inside the function's structure
)


@dataclass(frozen=True)
class Curve:
    """What steps along one direction show. slope: the limit of the quotients. reading: the claim beside it."""

    direction: Direction
    slope: Slope
    reading: Reading
    steps: StepCurve
    taylor_slope: float | None

    @property
    def still(self) -> bool:
        """Whether no step shows that the function moves, beyond its noise, and the claim says nothing else."""
        reading = self.reading
        return (
            not np.any(reading.moves)
            and not np.any(reading.wrong)
            and bool(np.all(np.isfinite(reading.value)))
        )


def curve(truth: Truth, direction: Direction, levels: int = LEVELS) -> Curve | None:
    """Take many steps along `direction`, `levels` of them; None where none could be taken.

    The largest of them that is inside the function's structure is where later steps begin.
    """
    ladder = truth.ladder(direction)
    while len(ladder.steps) < levels and ladder.down():
        pass
    if not ladder.steps:
        return None
    claimed, f = direction.along(truth.claimed), truth.probe.value
    h = np.asarray(ladder.wide)[:, None]
    plus, minus = np.array(ladder.plus), np.array(ladder.minus)
    slope = ladder.slope()
    with np.errstate(all="ignore"):
        quotients = (plus - minus) / (2 * h)
        off = (np.abs(quotients - slope.value) * h)[-_SMALLEST:]
        seen = 3 * np.min(off, axis=0)
        noisier = (seen > truth.noise) & (np.max(off, axis=0) < _ALIKE * np.min(off, axis=0))
        if (
            np.any(noisier) and len(ladder.steps) > 2 * _SMALLEST
        ):  # the smallest steps show more than was measured
            truth.noise = np.where(noisier, seen, truth.noise)
            ladder.noise = np.maximum(ladder.noise, truth.noise)
            slope = ladder.slope()
        scale = max(_norm(claimed), _norm(slope.value)) or 1.0
        errors = [_norm(quotient - claimed) / scale for quotient in quotients]
        remainders = np.array([_norm(one - f - step * claimed) for one, step in zip(plus, h, strict=True)])
    kept = [k for k, error in enumerate(errors) if np.isfinite(error)]
    steps = StepCurve(tuple(ladder.wide[k] for k in kept), tuple(errors[k] for k in kept))
    wide = np.asarray(ladder.wide)
    with np.errstate(all="ignore"):
        truth.first = ladder.first = _first(ladder, quotients, (plus - 2 * f + minus) / h, slope)
    slope = ladder.slope()
    reading = truth.examine(truth.judge(direction, slope), slope, ladder)
    rounding = 3 * _norm(reading.tolerance) * wide  # of the gradient: what a right one may leave
    floor = np.maximum(30 * _norm(np.asarray(ladder.noise)), rounding)
    return Curve(direction, slope, reading, steps, _order(wide, remainders, floor))


def _first(ladder: Ladder, quotients: Array, gaps: Array, slope: Slope) -> float:
    """The largest step that is inside the function's structure, by every output.

    There the central quotient (k, m) is near the slope, and the gap (k, m) between the quotients of both sides falls
    with the step, by four from one to the next.
    """
    noise = np.asarray(ladder.noise) / np.asarray(ladder.wide)[:, None]
    size = np.maximum(np.abs(slope.value), np.abs(gaps))
    far = ~(np.abs(quotients - slope.value) <= np.maximum(_RESOLVED * size, 3 * (slope.error + noise)))
    fall = np.abs(gaps[:-1] / gaps[1:])
    even = (np.abs(gaps) > np.maximum(_RESOLVED * np.abs(slope.value), 10 * noise))[1:]
    far[:-1] |= even & ((fall < RATIO / 2) | (fall > 2 * RATIO))
    far &= slope.settled & ~slope.kink
    k = next((k for k in range(len(far)) if not np.any(far[k])), 0)
    return min(ladder.steps[k], FIRST_STEP)


def _order(steps: Array, remainders: Array, floor: Array) -> float | None:
    """The slope in logarithms over the four smallest steps whose remainder is above the noise."""
    seen = np.flatnonzero(np.isfinite(remainders) & (remainders > np.maximum(floor, 1e-300)))[-4:]
    if len(seen) < 3:
        return None
    fit = np.polyfit(np.log(steps[seen].astype(float)), np.log(remainders[seen].astype(float)), 1)
    return float(fit[0])


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))

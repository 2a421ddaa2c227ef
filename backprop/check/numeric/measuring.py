"""Measuring: steps along one direction until its slope is known as well as it is needed.

Steps go on falling as long as the truncation is what is seen, and grow where it is the noise.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.evaluation import OutOfCalls
from backprop.check.numeric.slope import MOST_LEVELS, Ladder, Slope

_FLAT = 1e-9


def measure(ladder: Ladder, claimed: Array, goal: Array, *, thorough: bool = False) -> Slope:
    """The slope to `goal` (m,), absolute; sooner where it agrees with what is `claimed` (m,).

    thorough: go on until the noise is what limits it, for a verdict against a gradient. Raises `OutOfCalls` where not
    a single step can be taken.
    """
    while len(ladder.steps) < 2 and ladder.down():
        pass
    if not ladder.steps:
        raise OutOfCalls
    shrinking = growing = True
    while True:
        slope = ladder.slope()
        good, noisy = _good(slope, claimed, goal, thorough) | slope.sharp, slope.rounding >= 0.3 * slope.error
        few = len(ladder.steps) < (
            5 if thorough and not np.all(slope.sharp) else 4 if np.any(slope.bent) else 2
        )
        few |= bool(np.any((slope.bent & ~slope.corner) | slope.edge))  # a narrower structure, or domain
        if few and shrinking:
            shrinking = ladder.down()
        elif np.all(good):
            return slope
        elif shrinking and not np.all(good | noisy | (slope.finest > slope.error)):
            shrinking = ladder.down()
        elif growing and np.all(good | noisy) and len(ladder.steps) < MOST_LEVELS // 2:
            growing = ladder.up()
        else:
            return slope


def _good(slope: Slope, claimed: Array, goal: Array, thorough: bool) -> Array:
    """Where the slope is known as well as it is needed."""
    flat = _FLAT * slope.curved  # beside a minimum no slope is seen, and none need be
    if np.any(claimed):
        flat = np.minimum(flat, 0.02 * np.maximum(np.abs(claimed), np.abs(slope.value)))
    if thorough:  # to the size that was found: the claim may be wrong by many orders
        seen: Array = slope.error <= np.maximum(_FLAT * np.abs(slope.value), flat)
        return seen
    off = np.abs(slope.value - claimed)
    good = slope.error <= np.maximum(goal, flat)
    good |= (off <= np.minimum(3 * slope.error, goal)) & (slope.error <= 1e3 * goal)
    good |= (
        (off <= 3 * slope.error)
        & (slope.rounding >= 0.3 * slope.error)
        & (slope.error <= 1e-4 * np.abs(claimed))
    )
    return good

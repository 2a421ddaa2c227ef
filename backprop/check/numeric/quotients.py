"""Quotients: the slope along a direction from difference quotients of many steps, and how sure it is.

    D(h) = (f(x + hv) - f(x - hv)) / 2h = f'·v + c₂h² + c₄h⁴ + …        central, extrapolated with h, h/4, h/16, …
    G(h) = (f(x + hv) - 2f(x) + f(x - hv)) / h = jump of the slope + c₁h + c₃h³ + …

Richardson's table removes the powers of h one by one (Ridders 1982, Advances in Engineering Software 4(2), 75-76).
The difference of neighbours in it estimates its truncation error, and σ/h its rounding. A jump of the slope that does
not vanish with h is a kink at x, and D is no derivative there. SciPy and numdifftools give D, and throw away the
values that G needs, which is why the table is written out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import RATIO

CENTRAL, ONE_SIDED, JUMP = (2, 4, 6, 8), (1, 2, 3, 4), (1, 3, 5, 7)
"""The powers of h in the error of central quotients, of one-sided ones, and of the jump of the slope."""
_CAUTION = RATIO**2 / 2
"""Half of the factor by which h² falls from step to step."""
_AMPLIFIED = 1.2
"""Extrapolation of central quotients multiplies rounding by at most Π (4ᵖ + 1) / (4ᵖ - 1) = 1.15, p = 2, 4, 6, 8."""


class Limit(NamedTuple):
    """The limit (m,) of a quotient for h → 0, how far it may be off, and which part of that is rounding."""

    value: Array
    error: Array
    rounding: Array

    def where(self, mask: Array, other: Limit) -> Limit:
        """This limit where `mask` (m,) holds, and the other one elsewhere."""
        return Limit(*(np.where(mask, *pair) for pair in zip(self, other, strict=True)))


def extrapolate(
    quotients: Array, rounding: Array, powers: Sequence[int] | Array, rough: Array | float = 0.0
) -> Limit:
    """The limit of quotients (k, m), whose steps fall by `RATIO`, with the given powers of h in their truncation.

    powers: a number, or an array (m,), for each column of the table. rounding (k, m): of each quotient.
    rough (k, m): the error that kinks within each step may add. The extrapolation with the smallest error is taken.
    If one of smaller steps contradicts it, that one is taken instead: the limit is at the small end.
    """
    steps, noise = len(quotients), _AMPLIFIED * rounding
    added = np.broadcast_to(rough, quotients.shape)
    # The columns of the table with their errors. Each ends with the last step, and begins one step later.
    column = quotients
    table = [(quotients[1:], np.abs(quotients[1:] - quotients[:-1]) + noise[1:] + added[1:])]
    for j, power in enumerate(powers[: steps - 1], start=1):
        fine, coarse = column[1:], column[:-1]
        column = fine + (fine - coarse) / (RATIO**power - 1)
        # If the next power of h dominates the rest, the error is a RATIO**power-th of either of these.
        truncation = np.maximum(np.abs(column - fine), np.abs(column - coarse) / _CAUTION)
        table.append((column, truncation + noise[j:] + added[j:]))
    best = Limit(quotients[0], np.full_like(quotients[0], np.inf), rounding[0])
    for k in range(1, steps):
        for values, errors in table[: k + 1]:
            value, error = values[k - steps], errors[k - steps]
            contradicts = np.abs(value - best.value) > 2 * (error + best.error)
            taken = (error < best.error) | contradicts
            if taken.any():
                best = Limit(value, error, noise[k]).where(taken, best)
    return best


def extrapolated(central: Array, right: Array, left: Array, rounding: Array, rough: Array) -> list[Limit]:
    """The limits (m,) of central and of one-sided quotients (k, m). One table for all takes a third of the time."""
    limit = extrapolate(
        np.hstack([central, right, left]),
        np.hstack([rounding, 2 * rounding, 2 * rounding]),
        np.repeat(np.transpose([CENTRAL, ONE_SIDED, ONE_SIDED]), central.shape[1], axis=1),
        np.hstack([rough, np.zeros_like(right), np.zeros_like(left)]),
    )
    return [Limit(*parts) for parts in zip(*(np.split(part, 3) for part in limit), strict=True)]


def roughness(gaps: Array, rounding: Array) -> Array:
    """The error (k, m) that kinks beside the point may make in central quotients; `gaps` are G of their steps.

    For a smooth function, and for a kink at the point itself, G(h) - 5 G(h/4) + 4 G(h/16) = O(h³) falls by a factor
    of 64 from step to step. If it falls by less than 4, and is more than rounding, there are kinks within the step.
    """
    rough = np.zeros_like(gaps)
    if len(gaps) < 4:  # two bends, of three gaps each
        return rough
    bend = np.abs(gaps[:-2] - (RATIO + 1) * gaps[1:-1] + RATIO * gaps[2:])
    blur = rounding[1:-2] + (RATIO + 1) * rounding[2:-1] + RATIO * rounding[3:]
    rough[1:-2] = np.where((bend[1:] > bend[:-1] / 4) & (bend[1:] > ALLOWED * blur), bend[1:] / 2, 0)
    rough[-2] = rough[-3] / RATIO
    rough[-1] = rough[-2] / RATIO
    return rough


# What many steps show besides the limit.

NEAR = 0.3
"""The longest nearby step, as a share of the scale: longer ones may show a kink that noise hides from short ones."""
FINEST = 1e-9
"""The strictest relative tolerance of an entry in float64: some million roundings, for long sums."""
SEEN, CLEARLY = 5.0, 10.0
"""Times the noise or the error of a number: what is larger is seen, and what is larger still is beyond any doubt."""
ALLOWED = 3.0
"""Times the estimated error of a number: how far it may be off; an estimate from few steps is no bound."""
TINY = 1e-300
"""In place of a size of zero that is divided by: its inverse is still a number of float64."""

# The numbers below are not derived: the campaign of tests/planted/functions has been run with them.
_SHORT, _SHORTER = 0.002, 1 / 9
"""A step nine times shorter is taken if its rounding is below this share of its quotient: share, factor."""
_LONG = 0.05
"""The share of a quotient that curvature may make of it along a step that is long only because of the noise."""
_SMALL = 1e-3
"""A kink that noise hides at the smallest steps counts if the last step that shows it is below this."""
_STAYS, _GROWS, _BENT = (0.9, 0.8), 1.4, 0.6
"""Factors from step to step of the jump of the slope: at a kink, growing, bent; without a kink it is 1/4."""


def finite(values: Array) -> Array:
    """The values, 0 where they are NaN or infinite."""
    return np.where(np.isfinite(values), values, 0)


def steepest(steps: Array, changes: Array, seen: Array) -> Array:
    """The largest change (m,) per step, of changes (k, m) beyond the noise that the next step shows as well.

    A resolved change falls from step to step by at most the fourth power of `RATIO`. A change that falls faster
    belongs to a structure that no step has resolved.
    """
    followed = seen.copy()
    followed[:-1] &= seen[1:] & (changes[:-1] <= RATIO**4 * changes[1:])
    return np.asarray(np.max(np.where(followed, changes / steps, 0), axis=0))


def nearest(steps: Array, quotients: Array, rounding: Array, near: float) -> tuple[Array, Array]:
    """The quotient of the largest nearby step, and its error: rounding, and for a long step some per cent more."""
    k = next((k for k, step in enumerate(steps) if step <= near), len(steps) - 1)
    short = next((k for k, step in enumerate(steps) if step <= near * _SHORTER), k)
    if np.all(rounding[short] <= _SHORT * np.abs(quotients[short])):
        k = short
    return quotients[k], rounding[k] + (_LONG * np.abs(quotients[k]) if k != short else 0)


def kinks_in(steps: Array, gaps: Array, rounding: Array) -> tuple[Array, Array]:
    """Where the jump of the slope has a limit that is not zero, or grows; and where it grows.

    The last three steps decide. Where the noise hides the jump of an output at the smallest steps, the last three
    that show it decide, if they are small.
    """
    found, grows = np.zeros((2, gaps.shape[1]), bool)
    seen = np.abs(gaps) > SEEN * rounding
    for column in range(gaps.shape[1]):
        shown = np.flatnonzero(seen[:, column])
        end = int(shown[-1]) + 1 if len(shown) else 0
        if end < 3 or not seen[end - 2, column] or (end < len(gaps) and steps[end - 1] > _SMALL):
            continue
        limit = extrapolate(gaps[:end, [column]], rounding[:end, [column]], JUMP)
        last, before, first = np.abs(gaps[end - 3 : end, column])[::-1]
        stays = last > _STAYS[0] * before and before > _STAYS[1] * first
        converged = abs(limit.value[0]) > SEEN * limit.error[0]
        grows[column] = stays and last > _GROWS * before and end == len(gaps)
        found[column] = grows[column] or (stays and converged)
    return found, grows


def is_bent(gaps: Array, rounding: Array, scale: Array) -> Array:
    """Where the jump of the slope does not shrink with the last step as that of a smooth function does."""
    if len(gaps) < 2:
        return np.zeros(gaps.shape[1], bool)
    last = np.abs(gaps[-1])
    bent: Array = (last > _BENT * np.abs(gaps[-2])) & (last > np.maximum(SEEN * rounding[-1], FINEST * scale))
    return bent


# Slope: the derivative along one direction, both its one-sided slopes, and whether it has any.

KNOWN = 0.1
"""The largest relative error of a limit that counts as known: its first digit is."""
_SHARP = 1e-4
"""The error of one-sided slopes, as a share of their difference, at which a corner needs no further step."""


class Slope(NamedTuple):
    """The slope (m,) along a direction, with the most that it may be off.

    rounding: how much of that is noise of the function.
    kink: where the one-sided slopes differ; jump: where their difference grows as the step falls, or the kink lies a
    little beside the point; bent: where they may differ, since the even part of the function does not fall with the
    largest steps as that of a smooth function does.
    edge: where the function has values on one side only, and no bounds say why.
    settled: whether the quotients have come to a limit. left, right: the one-sided slopes, off by `side_error`.
    curved: slope and curvature together, from the smallest step alone. finest: the rounding of its quotient.
    moves: whether any nearby step changes the function beyond its noise. steep: the largest such change per step that
    the next smaller step shows as well, among steps near the size of the function's structure; 0 if there is none.
    nearby: the bare quotient of the largest step that is no larger than `NEAR`, off by `nearby_error`.
    """

    value: Array
    error: Array
    rounding: Array
    kink: Array
    jump: Array
    bent: Array
    edge: Array
    settled: Array
    left: Array
    right: Array
    side_error: Array
    curved: Array
    moves: Array
    steep: Array
    finest: Array
    nearby: Array
    nearby_error: Array

    @property
    def corner(self) -> Array:
        """Where the one-sided slopes have two different limits, and the function itself does not jump."""
        return np.asarray(self.kink & ~self.jump & self._sides_are_known(KNOWN))

    @property
    def sharp(self) -> Array:
        """Where the slopes of a corner are known so well that no smaller step need be taken."""
        return np.asarray(self.corner & self._sides_are_known(_SHARP))

    def _sides_are_known(self, share: float) -> Array:
        return np.asarray(self.side_error <= share * np.abs(self.right - self.left))

    def where(self, mask: Array, other: Slope) -> Slope:
        """This slope where `mask` (m,) holds, and the other one elsewhere."""
        return Slope(*(np.where(mask, *pair) for pair in zip(self, other, strict=True)))

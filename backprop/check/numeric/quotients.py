"""Quotients: the slope along a direction from difference quotients of many steps, and how sure it is.

    D(h) = (f(x + hv) - f(x - hv)) / 2h = f'·v + c₂h² + c₄h⁴ + …        central, extrapolated with h, h/4, h/16, …
    G(h) = (f(x + hv) - 2f(x) + f(x - hv)) / h = jump of the slope + c₁h + c₃h³ + …

Richardson's table takes the powers of h away one by one (Ridders 1982, Advances in Engineering Software 4(2),
75-76); what neighbours in it differ by is its truncation, σ/h its rounding. A jump of the slope that does not go
away with h is a kink at x, and D is no derivative there. SciPy and numdifftools give the first of both and throw
away the values that the second needs, which is why the table is written out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import RATIO

CENTRAL, ONE_SIDED, JUMP = (2, 4, 6, 8), (1, 2, 3, 4), (1, 3, 5, 7)
"""The powers of h that central quotients, one-sided ones and the jump of the slope are off by."""
_CAUTION = RATIO**2 / 2
"""Half of what the lowest even power falls by from step to step."""
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
    rough (k, m): what kinks within each step may do to it. Of all extrapolations the surest is taken. A surer one of
    larger steps gives way to one of smaller steps that contradicts it: the limit is at the small end.
    """
    kinks = np.broadcast_to(rough, quotients.shape)
    best = Limit(quotients[0], np.full_like(quotients[0], np.inf), rounding[0])
    row = [quotients[0]]
    for k in range(1, len(quotients)):
        new = [quotients[k]]
        candidates = [(quotients[k], np.abs(quotients[k] - row[0]))]
        for old, power in zip(row, powers, strict=False):
            better = new[-1] + (new[-1] - old) / (RATIO**power - 1)
            # Where the next power of h is what is left, the error is a RATIO**power-th of either of these.
            candidates.append((better, np.maximum(np.abs(better - new[-1]), np.abs(better - old) / _CAUTION)))
            new.append(better)
        row = new
        for value, truncation in candidates:
            noise = _AMPLIFIED * rounding[k]
            other = Limit(value, truncation + noise + kinks[k], noise)
            contradicts = np.abs(other.value - best.value) > 2 * (other.error + best.error)
            best = other.where((other.error < best.error) | contradicts, best)
    return best


def extrapolated(central: Array, right: Array, left: Array, rounding: Array, rough: Array) -> list[Limit]:
    """The limits (m,) of central and of one-sided quotients (k, m), in one table: it takes a third of the time."""
    limit = extrapolate(
        np.hstack([central, right, left]),
        np.hstack([rounding, 2 * rounding, 2 * rounding]),
        np.repeat(np.transpose([CENTRAL, ONE_SIDED, ONE_SIDED]), central.shape[1], axis=1),
        np.hstack([rough, np.zeros_like(right), np.zeros_like(left)]),
    )
    return [Limit(*parts) for parts in zip(*(np.split(part, 3) for part in limit), strict=True)]


def roughness(gaps: Array, rounding: Array) -> Array:
    """The error (k, m) that kinks beside the point may make in central quotients, from the gaps of their steps.

    Of a smooth function, and of one with a kink at the point itself, G(h) - 5 G(h/4) + 4 G(h/16) = O(h³) falls by 64
    from step to step. Where it falls by less than four, and is no rounding, it sees kinks within the step.
    """
    rough = np.zeros_like(gaps)
    if len(gaps) < 4:
        return rough
    bend = np.abs(gaps[:-2] - (RATIO + 1) * gaps[1:-1] + RATIO * gaps[2:])
    blur = rounding[1:-2] + (RATIO + 1) * rounding[2:-1] + RATIO * rounding[3:]
    rough[1:-2] = np.where((bend[1:] > bend[:-1] / 4) & (bend[1:] > 3 * blur), bend[1:] / 2, 0)
    rough[-2] = rough[-3] / RATIO
    rough[-1] = rough[-2] / RATIO
    return rough


# What many steps show, but for the limit.

NEAR = 0.3
"""Of the scale: what a longer step alone sees may be a kink that a shorter one cannot see for the noise."""
FINEST = 1e-9
"""Of an entry: no gradient in float64 is asked to be more exact. It is some million roundings, for long sums."""

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
_SHORT, _SHORTER = 0.002, 1 / 9
"""A step of a ninth of a nearby one is long enough where its rounding is below this share of its quotient."""
_LONG = 0.05
"""Of a quotient: what the function may bend along a step that only noise makes so long."""
_SMALL = 1e-3
"""A kink that noise hides at the smallest steps is still believed where the last step that shows it is below this."""
_STAYS, _GROWS, _BENT = (0.9, 0.8), 1.4, 0.6
"""By which factors the jump of the slope falls or grows from step to step at a kink; a smooth one falls to 1/4."""


def finite(values: Array) -> Array:
    """The values, 0 where they are NaN or infinite."""
    return np.nan_to_num(values, nan=0, posinf=0)


def steepest(steps: Array, changes: Array, seen: Array) -> Array:
    """The largest change (m,) per step, of changes (k, m) beyond the noise that the next step shows as well.

    A resolved change falls from step to step by no more than the fourth power of `RATIO`. A change that vanishes
    belongs to a structure that no step has resolved.
    """
    followed = seen.copy()
    followed[:-1] &= seen[1:] & (changes[:-1] <= RATIO**4 * changes[1:])
    return np.asarray(np.max(np.where(followed, changes / steps, 0), axis=0))


def nearest(steps: Array, quotients: Array, rounding: Array, near: float) -> tuple[Array, Array]:
    """The quotient of the largest step nearby, and its error: rounding, and of a long step some per cent of it."""
    k = next((k for k, step in enumerate(steps) if step <= near), len(steps) - 1)
    short = next((k for k, step in enumerate(steps) if step <= near * _SHORTER), k)
    if np.all(rounding[short] <= _SHORT * np.abs(quotients[short])):
        k = short
    return quotients[k], rounding[k] + (_LONG * np.abs(quotients[k]) if k != short else 0)


def kinks_in(steps: Array, gaps: Array, rounding: Array) -> tuple[Array, Array]:
    """Where the jump of the slope has a limit that is not zero, or grows; and where it grows.

    The last three steps tell. Where the noise hides the jump of an output at the smallest steps, the last three that
    show it tell, if these are small.
    """
    found, grows = np.zeros((2, gaps.shape[1]), bool)
    seen = np.abs(gaps) > 5 * rounding
    for column in range(gaps.shape[1]):
        shown = np.flatnonzero(seen[:, column])
        end = int(shown[-1]) + 1 if len(shown) else 0
        if end < 3 or not seen[end - 2, column] or (end < len(gaps) and steps[end - 1] > _SMALL):
            continue
        limit = extrapolate(gaps[:end, [column]], rounding[:end, [column]], JUMP)
        last, before, first = np.abs(gaps[end - 3 : end, column])[::-1]
        stays = last > _STAYS[0] * before and before > _STAYS[1] * first
        converged = abs(limit.value[0]) > 5 * limit.error[0]
        grows[column] = stays and last > _GROWS * before and end == len(gaps)
        found[column] = grows[column] or (stays and converged)
    return found, grows


def is_bent(gaps: Array, rounding: Array, scale: Array) -> Array:
    """Where the jump of the slope does not shrink with the last step as that of a smooth function does."""
    if len(gaps) < 2:
        return np.zeros(gaps.shape[1], bool)
    last = np.abs(gaps[-1])
    bent: Array = (last > _BENT * np.abs(gaps[-2])) & (last > np.maximum(5 * rounding[-1], FINEST * scale))
    return bent


# Slope: the derivative along one direction, both its one-sided slopes, and whether it has any.

KNOWN = 0.1
"""Of its size: a limit is one where it is known to its first digit."""
_SHARP = 1e-4
"""Of the jump of the slope: a corner whose one-sided slopes are known so well needs no further step."""


class Slope(NamedTuple):
    """The slope (m,) along a direction, with the most that it may be off.

    rounding: how much of that is noise of the function.
    kink: where the slopes of both sides differ; jump: where their difference grows as the step falls, or the kink
    lies a little beside the point; bent: where the largest steps look as if they might differ: the even part of the
    function does not fall with the step as that of a smooth function does.
    edge: where the function has values on one side only, and no bounds say why.
    settled: whether the quotients have come to a limit. left, right: the one-sided slopes, off by `side_error`.
    curved: what the smallest step alone shows, slope and curvature together. finest: the rounding of its quotient.
    moves: whether any step nearby changes the function beyond its noise. steep: the fastest such change of steps near
    the function's structure that the next smaller one shows as well, 0 where none is.
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
        """Where both one-sided slopes have limits that differ; the function itself does not jump."""
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

"""Slope: the derivative of a black box along one direction, both its one-sided slopes, and whether it has any.

Steps start at a 60th of the scale of the point and fall by four.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.evaluation import Probe
from backprop.check.numeric.quotients import CENTRAL, JUMP, ONE_SIDED, RATIO, Limit, extrapolate, roughness

FIRST_STEP = 17 / 1024  # no power of two, where a period of the function might hide; few bits, to be exact
NEAR = 0.3
"""Of the scale: what a longer step alone sees may be a kink that a shorter one cannot see for the noise."""

MOST_LEVELS = 40


@dataclass(frozen=True)
class Slope:
    """The slope (m,) along a direction, with the most that it may be off.

    rounding: how much of that is noise of the function. kink: where the slopes of both sides differ; bent: where the
    largest steps look as if they might. edge: where the function has values on one side only. settled: whether the
    quotients have come to a limit. left, right: the one-sided slopes. curved: what the smallest step alone shows,
    slope and curvature together. finest: the rounding of the quotient of the smallest step. nearby: the bare
    quotient of the largest step that is no larger than `NEAR`.
    """

    value: Array
    error: Array
    rounding: Array
    kink: Array
    bent: Array
    edge: Array
    settled: Array
    left: Array
    right: Array
    side_error: Array
    curved: Array
    finest: Array
    nearby: Limit


@dataclass
class Ladder:
    """The values on both sides of the point along one direction, from the largest step down."""

    probe: Probe
    direction: Direction
    noise: Array
    steps: list[float] = field(default_factory=list)
    plus: list[Array] = field(default_factory=list)
    minus: list[Array] = field(default_factory=list)
    wide: list[float] = field(default_factory=list)

    def down(self) -> bool:
        """One step more at the small end; False where rounding of the point or the budget forbids it."""
        step = self.steps[-1] / RATIO if self.steps else FIRST_STEP
        return self._add(step, len(self.steps))

    def up(self) -> bool:
        """One step more at the large end."""
        seen = np.all(np.isfinite(self.plus[0]) & np.isfinite(self.minus[0]))
        return bool(seen) and self.steps[0] < self.direction.reach and self._add(self.steps[0] * RATIO, 0)

    def _add(self, step: float, place: int) -> bool:
        if not self.probe.room(2) or len(self.steps) >= MOST_LEVELS:
            return False
        x, where = self.probe.point, self.direction.where
        moved = step * self.direction.by
        forward, backward = x.copy(), x.copy()
        forward[where] += moved
        backward[where] -= moved
        if self.probe.dtype is None or self.probe.dtype.itemsize < x.dtype.itemsize:
            forward, backward = self._rounded(forward), self._rounded(backward)
        if np.array_equal(forward[where], x[where]) or np.array_equal(backward[where], x[where]):
            return False
        actual = step
        if len(self.direction.by) == 1:  # the step that was really taken, after rounding
            actual = float((forward[where] - backward[where])[0] / (2 * self.direction.by[0]))
        self.steps.insert(place, step)
        self.wide.insert(place, actual)
        self.plus.insert(place, self.probe.at(forward))
        self.minus.insert(place, self.probe.at(backward))
        return True

    def _rounded(self, point: Array) -> Array:
        form = self.probe.form
        views = form.views(point)
        return form.vector(
            {leaf.name: views[leaf.name].astype(self.probe.dtype or leaf.dtype) for leaf in form.leaves}
        )

    def slope(self) -> Slope:
        """What the values that there are say."""
        h = np.asarray(self.wide)[:, None]
        plus, minus, f = np.array(self.plus), np.array(self.minus), self.probe.value
        with np.errstate(all="ignore"):
            largest = np.maximum(np.abs(plus), np.abs(minus))
            noise = np.maximum(self.noise, 3 * self.probe.eps * np.nan_to_num(largest, nan=0, posinf=0)) / h
            gaps = (plus - 2 * f + minus) / h
            rough = np.nan_to_num(roughness(gaps, noise))
            central = extrapolate((plus - minus) / (2 * h), noise, CENTRAL, rough)
            right = extrapolate((plus - f) / h, 2 * noise, ONE_SIDED)
            left = extrapolate((f - minus) / h, 2 * noise, ONE_SIDED)
            kink = _is_kink(gaps, 4 * noise, extrapolate(gaps, 4 * noise, JUMP))
            steepest = np.maximum(np.abs(plus[-1] - f), np.abs(minus[-1] - f)) / h[-1]
            curved = np.nan_to_num(steepest, nan=0, posinf=0)
        one_side = np.isnan(plus[-1]) ^ np.isnan(minus[-1])
        side = _choose(np.isnan(minus[-1]), right, left)
        value = _choose(one_side, side, central)
        scale = np.maximum(np.abs(value.value), np.maximum(np.abs(right.value), np.abs(left.value)))
        enough = np.maximum(np.maximum(0.1 * scale, 2 * value.rounding), 1e-6 * curved)
        settled = np.isfinite(value.value) & (value.error <= enough)
        return Slope(
            value.value,
            value.error,
            value.rounding,
            kink & ~one_side,
            _is_bent(gaps, 4 * noise, scale),
            one_side,
            settled,
            left.value,
            right.value,
            np.maximum(left.error, right.error),
            curved,
            noise[-1],
            _nearby(self.steps, (plus - minus) / (2 * h), noise),
        )


def _nearby(steps: list[float], quotients: Array, rounding: Array) -> Limit:
    """The quotient of the largest step nearby, with no more than its rounding as its error."""
    k = next((k for k, step in enumerate(steps) if step <= NEAR), len(steps) - 1)
    return Limit(quotients[k], rounding[k], rounding[k])


def _is_kink(gaps: Array, rounding: Array, limit: Limit) -> Array:
    """Where the jump of the slope has a limit that is not zero, or grows: from the last three steps."""
    if len(gaps) < 3:
        return np.zeros(gaps.shape[1], bool)
    last, before = np.abs(gaps[-1]), np.abs(gaps[-2])
    stays = (last > 0.9 * before) & (before > 0.8 * np.abs(gaps[-3]))
    seen = (last > 5 * rounding[-1]) & (before > 5 * rounding[-2])
    converged = np.abs(limit.value) > 5 * limit.error
    kink: Array = seen & stays & (converged | (last > 1.4 * before))
    return kink


def _is_bent(gaps: Array, rounding: Array, scale: Array) -> Array:
    """Where the jump of the slope does not shrink with the last step as that of a smooth function does."""
    if len(gaps) < 2:
        return np.zeros(gaps.shape[1], bool)
    last = np.abs(gaps[-1])
    bent: Array = (last > 0.6 * np.abs(gaps[-2])) & (last > np.maximum(5 * rounding[-1], 1e-6 * scale))
    return bent


def _choose(where: Array, one: Limit, other: Limit) -> Limit:
    return Limit(
        np.where(where, one.value, other.value),
        np.where(where, one.error, other.error),
        np.where(where, one.rounding, other.rounding),
    )

"""Slope: the derivative of a black box along one direction, both its one-sided slopes, and whether it has any.

Steps fall by four. They start at a 60th of the scale of the point, or where the function's own structure is narrower
than that, at the size of the structure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import Direction
from backprop.check.numeric.evaluation import Probe
from backprop.check.numeric.quotients import CENTRAL, JUMP, ONE_SIDED, RATIO, Limit, extrapolate, roughness

FIRST_STEP = 17 / 1024  # no power of two, where a period of the function might hide; few bits, to be exact
NEAR = 0.3
"""Of the scale: what a longer step alone sees may be a kink that a shorter one cannot see for the noise."""

_SHORT = 0.002  # of a quotient: noise of a short step that needs no longer one
_SHORTER = 1 / 9  # of a step nearby
_LONG = 0.05  # of a quotient: what the function may bend along a step that only noise makes so long
_POWERS = 4  # of the step: a change falls by no more, as long as it is resolved
_SHARP = 1e-4  # of the jump of the slope
_BESIDE = 3  # steps that show a kink beside the point
_SMALL = 1e-3
_LEAST = 2  # of the smallest steps
_NOISIEST = 30.0  # times what each of them changes the function by
MOST_LEVELS = 40


@dataclass(frozen=True)
class Slope:
    """The slope (m,) along a direction, with the most that it may be off.

    rounding: how much of that is noise of the function. kink: where the slopes of both sides differ; jump: where
    their difference grows as the step falls, or the kink lies a little beside the point; bent: where the largest
    steps look as if they might: the even part of the function does not fall with the step as that of a smooth
    function does. edge: where the function has values on one side only. settled: whether the quotients have come
    to a limit. left, right: the one-sided slopes. curved: what the smallest step alone shows, slope and curvature
    together. moves: whether any step nearby changes the function beyond its noise. steep: the fastest such change
    of steps near the function's structure that the next smaller one shows as well, 0 where none is. finest: the
    rounding of the quotient of the smallest step. nearby: the bare quotient of the largest step that is no larger
    than `NEAR`.
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
    nearby: Limit

    @property
    def corner(self) -> Array:
        """Where both one-sided slopes have limits that differ; the function itself does not jump."""
        return np.asarray(self.kink & ~self.jump & (self.side_error <= 0.1 * np.abs(self.right - self.left)))

    @property
    def sharp(self) -> Array:
        """Where the slopes of a corner are known so well that no smaller step need be taken."""
        return np.asarray(self.corner & (self.side_error <= _SHARP * np.abs(self.right - self.left)))

    def where(self, mask: Array, other: Slope) -> Slope:
        """This slope where `mask` (m,) holds, and the other one elsewhere."""
        chosen: dict[str, Any] = {}
        for each in fields(self):
            one, two = getattr(self, each.name), getattr(other, each.name)
            chosen[each.name] = (
                _choose(mask, one, two) if isinstance(one, Limit) else np.where(mask, one, two)
            )
        return Slope(**chosen)


@dataclass
class Ladder:
    """The values on both sides of the point along one direction, from the largest step down."""

    probe: Probe
    direction: Direction
    noise: Array
    first: float = FIRST_STEP
    steps: list[float] = field(default_factory=list)
    plus: list[Array] = field(default_factory=list)
    minus: list[Array] = field(default_factory=list)
    wide: list[float] = field(default_factory=list)

    @property
    def near(self) -> float:
        """How long steps may be that tell of the point: as long as the function's structure, where one was seen."""
        return NEAR if self.first == FIRST_STEP else self.first

    def down(self) -> bool:
        """One step more at the small end; False where rounding of the point or the budget forbids it."""
        step = self.steps[-1] / RATIO if self.steps else self.first
        return self._add(step, len(self.steps))

    def up(self) -> bool:
        """One step more at the large end."""
        seen = np.all(np.isfinite(self.plus[0]) & np.isfinite(self.minus[0]))
        return bool(seen) and self.steps[0] < self.direction.reach and self._add(self.steps[0] * RATIO, 0)

    def _add(self, step: float, place: int) -> bool:
        if not self.probe.room(2) or len(self.steps) >= MOST_LEVELS:
            return False
        x, where = self.probe.at_format(self.probe.point), self.direction.where
        moved = step * self.direction.by
        forward, backward = x.copy(), x.copy()
        forward[where] += moved
        backward[where] -= moved
        if self.probe.dtype is None or self.probe.dtype.itemsize < x.dtype.itemsize:
            forward, backward = self._rounded(forward), self._rounded(backward)
        elif self.probe.coarse:
            forward, backward = self.probe.at_format(forward), self.probe.at_format(backward)
        lost = (forward[where] == x[where]) | (backward[where] == x[where])
        if np.any(lost & (moved != 0)):
            return False
        actual = step
        if len(self.direction.by) == 1:  # the step that was really taken, after rounding
            actual = float((forward[where] - backward[where])[0] / (2 * self.direction.by[0]))
        self.steps.insert(place, step)
        self.wide.insert(place, actual)
        self.plus.insert(place, self.probe.at(forward))
        self.minus.insert(place, self.probe.at(backward))
        return True

    def _most_noise(self, plus: Array, minus: Array) -> Array:
        """What the noise (m,) can be at most: more would have shown in the changes (k, m) of the smallest steps.

        Of a function on stairs small steps change nothing, which tells nothing.
        """
        changes = np.abs(np.concatenate([plus[-_LEAST:], minus[-_LEAST:]]) - self.probe.value)
        tells = np.all(changes > 0, axis=0) & (len(self.steps) > _LEAST)
        return np.where(tells, _NOISIEST * np.max(changes, axis=0), np.inf)

    def _is_beside(self, shifts: Array) -> Array:
        """Where a kink lies beside the point, by less than the smallest step.

        Half the difference (k, m) of the values on both sides is then off by the same amount at every step.
        """
        last = shifts[-_BESIDE:]
        least, most = np.min(np.abs(last), axis=0), np.max(np.abs(last), axis=0)
        same = (np.abs(np.sum(np.sign(last), axis=0)) == _BESIDE) & (most < 1.2 * least)
        return np.asarray(same & (least > 10 * self.probe.eps * np.abs(self.probe.value)))

    def _far_off(self, quotients: Array, noise: Array) -> Array:
        """By how much (k, m) quotients of long steps differ from the one of the largest step nearby, beyond noise."""
        steps = np.asarray(self.steps)
        near = np.flatnonzero(steps <= self.near)
        if not len(near) or len(near) == len(steps):
            return np.zeros_like(quotients)
        k = near[0]
        off = np.maximum(np.abs(quotients - quotients[k]) - 2 * (noise + noise[k]), 0)
        return np.where((steps > self.near)[:, None], np.nan_to_num(off, nan=0, posinf=0), 0)

    def off_stairs(self) -> Ladder:
        """The steps that move a function whose values lie on stairs; the height of a stair is their noise."""
        f = self.probe.value
        moved = [
            k
            for k in range(len(self.steps))
            if not (np.array_equal(self.plus[k], f) and np.array_equal(self.minus[k], f))
        ]
        changes = np.abs([value[k] - f for value in (self.plus, self.minus) for k in moved])
        height = np.min(np.where(changes > 0, changes, np.inf), axis=0)
        noise = np.where(np.isfinite(height), np.maximum(self.noise, height), self.noise)
        steps, wide = ([values[k] for k in moved] for values in (self.steps, self.wide))
        plus, minus = ([values[k] for k in moved] for values in (self.plus, self.minus))
        return Ladder(self.probe, self.direction, noise, self.first, steps, plus, minus, wide)

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
            noise = np.minimum(self.noise, self._most_noise(plus, minus))
            noise = np.maximum(noise, 3 * self.probe.eps * np.nan_to_num(largest, nan=0, posinf=0)) / h
            gaps = (plus - 2 * f + minus) / h
            rough = np.nan_to_num(roughness(gaps, noise)) + self._far_off((plus - minus) / (2 * h), noise)
            central = extrapolate((plus - minus) / (2 * h), noise, CENTRAL, rough)
            right = extrapolate((plus - f) / h, 2 * noise, ONE_SIDED)
            left = extrapolate((f - minus) / h, 2 * noise, ONE_SIDED)
            kink, jump = _kinks(np.asarray(self.steps), gaps, 4 * noise)
            middle = (left.value + right.value) / 2
            jump |= kink & self._is_beside((plus - minus) / 2 - h * middle)
            steepest = np.maximum(np.abs(plus[-1] - f), np.abs(minus[-1] - f)) / h[-1]
            curved = np.nan_to_num(steepest, nan=0, posinf=0)
            changes = np.nan_to_num(np.fmax(np.abs(plus - f), np.abs(minus - f)), nan=0, posinf=0)
        seen = (changes > 5 * noise * h) & (np.asarray(self.steps)[:, None] <= NEAR)
        one_side = np.isfinite(plus[-1]) ^ np.isfinite(minus[-1])
        side = _choose(~np.isfinite(minus[-1]), right, left)
        value = _choose(one_side, side, central)
        scale = np.maximum(np.abs(value.value), np.maximum(np.abs(right.value), np.abs(left.value)))
        enough = np.maximum(np.maximum(0.1 * scale, 2 * value.rounding), 1e-6 * curved)
        settled = np.isfinite(value.value) & (value.error <= enough)
        return Slope(
            value.value,
            value.error,
            value.rounding,
            kink & ~one_side,
            jump & ~one_side,
            _is_bent(gaps, 4 * noise, scale),
            one_side,
            settled,
            left.value,
            right.value,
            np.maximum(left.error, right.error),
            curved,
            np.any(seen, axis=0),
            _steepest(h, changes, seen & (h <= RATIO * self.first)),
            noise[-1],
            _nearby(self.steps, (plus - minus) / (2 * h), noise, self.near),
        )


def _steepest(steps: Array, changes: Array, seen: Array) -> Array:
    """The largest change (m,) per step, of changes (k, m) beyond the noise that the next step shows as well.

    A change that vanishes from one step to the next belongs to a structure that no step has resolved.
    """
    followed = seen.copy()
    followed[:-1] &= seen[1:] & (changes[:-1] <= RATIO**_POWERS * changes[1:])
    return np.asarray(np.max(np.where(followed, changes / steps, 0), axis=0))


def _nearby(steps: list[float], quotients: Array, rounding: Array, near: float) -> Limit:
    """The quotient of the largest step nearby; its error is its rounding, and of a long step some per cent of it."""
    k = next((k for k, step in enumerate(steps) if step <= near), len(steps) - 1)
    short = next((k for k, step in enumerate(steps) if step <= near * _SHORTER), k)
    if np.all(rounding[short] <= _SHORT * np.abs(quotients[short])):
        k = short
    error = rounding[k] + (_LONG * np.abs(quotients[k]) if k != short else 0)
    return Limit(quotients[k], error, rounding[k])


def _kinks(steps: Array, gaps: Array, rounding: Array) -> tuple[Array, Array]:
    """Where the jump of the slope has a limit that is not zero, or grows; and where it grows.

    The last three steps tell.

    Of an output whose jump the noise hides at the smallest steps, from the last three that show it, if these are
    small.
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
        stays = last > 0.9 * before and before > 0.8 * first
        converged = abs(limit.value[0]) > 5 * limit.error[0]
        grows[column] = stays and last > 1.4 * before and end == len(gaps)
        found[column] = grows[column] or (stays and converged)
    return found, grows


def _is_bent(gaps: Array, rounding: Array, scale: Array) -> Array:
    """Where the jump of the slope does not shrink with the last step as that of a smooth function does."""
    if len(gaps) < 2:
        return np.zeros(gaps.shape[1], bool)
    last = np.abs(gaps[-1])
    bent: Array = (last > 0.6 * np.abs(gaps[-2])) & (last > np.maximum(5 * rounding[-1], 1e-9 * scale))
    return bent


def _choose(where: Array, one: Limit, other: Limit) -> Limit:
    return Limit(
        np.where(where, one.value, other.value),
        np.where(where, one.error, other.error),
        np.where(where, one.rounding, other.rounding),
    )

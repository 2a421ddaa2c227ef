"""Slopes: the derivative of a black box along a direction, from difference quotients and from complex steps.

In the order of this file: quotients and their limits; the slope at the point, with both one-sided slopes; how many
steps are taken; complex steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import FIRST_STEP, RATIO, Direction
from backprop.check.oracle import FunctionOracle, OutOfCalls

# Quotients: the slope along a direction from difference quotients of many steps, and how sure it is.
#
#     D(h) = (f(x + hv) - f(x - hv)) / 2h = f'·v + c₂h² + c₄h⁴ + …        central, extrapolated with h, h/4, h/16, …
#     G(h) = (f(x + hv) - 2f(x) + f(x - hv)) / h = jump of the slope + c₁h + c₃h³ + …
#
# Richardson's table takes the powers of h away one by one (Ridders 1982, Advances in Engineering Software 4(2),
# 75-76); what neighbours in it differ by is its truncation, σ/h its rounding. A jump of the slope that does not go
# away with h is a kink at x, and D is no derivative there. SciPy and numdifftools give the first of both and throw
# away the values that the second needs, which is why the table is written out here.

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
        return Limit(*(np.where(mask, mine, theirs) for mine, theirs in zip(self, other, strict=True)))


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


def _extrapolated(central: Array, right: Array, left: Array, rounding: Array, rough: Array) -> list[Limit]:
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


# Slope: the derivative of a black box along one direction, both its one-sided slopes, and whether it has any.
#
# Steps fall by four. They start at a 60th of the scale of the point, or where the function's own structure is
# narrower than that, at the size of the structure.

NEAR = 0.3
"""Of the scale: what a longer step alone sees may be a kink that a shorter one cannot see for the noise."""
MOST_LEVELS = 40
"""Steps along one direction at most: from 4¹⁰ times the first step down to 4⁻³⁰ of it, below any rounding."""

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
_SHORT, _SHORTER = 0.002, 1 / 9
"""A step of a ninth of a nearby one is long enough where its rounding is below this share of its quotient."""
_LONG = 0.05
"""Of a quotient: what the function may bend along a step that only noise makes so long."""
_SMALL = 1e-3
"""A kink that noise hides at the smallest steps is still believed where the last step that shows it is below this."""
_NOISIEST = 30.0
"""Noise is at most this many times what each of the `_LEAST` smallest steps changes the function by."""
_LEAST, _BESIDE = 2, 3
"""The smallest steps that bound the noise, and those that show a kink beside the point."""
_KNOWN, _LEVEL = 0.1, 1e-6
"""A limit is one where it is known to its first digit, or to a millionth of what the smallest step alone shows."""
_STAYS, _GROWS, _BENT = (0.9, 0.8), 1.4, 0.6
"""By which factors the jump of the slope falls or grows from step to step at a kink; a smooth one falls to 1/4."""
_SHIFTED = 1.2
"""Shifts by one kink beside the point differ by less than this factor."""
_SHARP = 1e-4
"""Of the jump of the slope: a corner whose one-sided slopes are known so well needs no further step."""


@dataclass(frozen=True)
class Slope:
    """The slope (m,) along a direction, with the most that it may be off.

    rounding: how much of that is noise of the function. kink: where the slopes of both sides differ; jump: where
    their difference grows as the step falls, or the kink lies a little beside the point; bent: where the largest
    steps look as if they might: the even part of the function does not fall with the step as that of a smooth
    function does. edge: where the function has values on one side only,
    and no bounds say why. settled: whether the quotients have come
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
        return np.asarray(
            self.kink & ~self.jump & (self.side_error <= _KNOWN * np.abs(self.right - self.left))
        )

    @property
    def sharp(self) -> Array:
        """Where the slopes of a corner are known so well that no smaller step need be taken."""
        return np.asarray(self.corner & (self.side_error <= _SHARP * np.abs(self.right - self.left)))

    def where(self, mask: Array, other: Slope) -> Slope:
        """This slope where `mask` (m,) holds, and the other one elsewhere."""
        chosen: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            is_limit = isinstance(mine, Limit)
            chosen[name] = mine.where(mask, theirs) if is_limit else np.where(mask, mine, theirs)
        return Slope(**chosen)


@dataclass
class Ladder:
    """The values on both sides of the point along one direction, from the largest step down.

    steps: as they were asked for. wide: as they were taken, after rounding. plus, minus: the values (m,) there.
    """

    function: FunctionOracle
    direction: Direction
    noise: Array
    first: float = FIRST_STEP
    steps: list[float] = field(default_factory=list)
    plus: list[Array] = field(default_factory=list)
    minus: list[Array] = field(default_factory=list)
    wide: list[float] = field(default_factory=list)

    @property
    def near(self) -> float:
        """The longest step that tells of the point: the size of the function's structure, where one was seen."""
        return NEAR if self.first == FIRST_STEP else self.first

    def quotient(self, level: int) -> Array:
        """The central quotient (m,) of one step."""
        return np.asarray((self.plus[level] - self.minus[level]) / (2 * self.wide[level]))

    def down(self) -> bool:
        """One step more at the small end; False where rounding of the point or the budget forbids it."""
        step = self.steps[-1] / RATIO if self.steps else self.first
        return self._add(step, len(self.steps))

    def up(self) -> bool:
        """One step more at the large end."""
        seen = np.all(np.isfinite(self.plus[0]) & np.isfinite(self.minus[0]))
        return bool(seen) and self.steps[0] < self.direction.reach and self._add(self.steps[0] * RATIO, 0)

    def down_to(self, levels: int) -> int:
        """Steps down until there are so many; how many there are."""
        while len(self.steps) < levels and self.down():
            pass
        return len(self.steps)

    def _add(self, step: float, place: int) -> bool:
        if not self.function.room(2) or len(self.steps) >= MOST_LEVELS:
            return False
        x, where = self.function.at_format(self.function.point), self.direction.where
        forward, backward = (self.function.as_given(self.direction.moved(x, by)) for by in (step, -step))
        lost = (forward[where] == x[where]) | (backward[where] == x[where])
        if np.any(lost & (step * self.direction.by != 0)):
            return False
        actual = step
        if len(self.direction.by) == 1:  # the step that was really taken, after rounding
            actual = float((forward[where] - backward[where])[0] / (2 * self.direction.by[0]))
        self.steps.insert(place, step)
        self.wide.insert(place, actual)
        self.plus.insert(place, self.function.at(forward))
        self.minus.insert(place, self.function.at(backward))
        return True

    def off_stairs(self) -> Ladder:
        """The steps that move a function whose values lie on stairs; the height of a stair is their noise."""
        f = self.function.value
        ends = enumerate(zip(self.plus, self.minus, strict=True))
        moved = [k for k, values in ends if not all(np.array_equal(value, f) for value in values)]
        steps, wide = ([values[k] for k in moved] for values in (self.steps, self.wide))
        plus, minus = ([values[k] for k in moved] for values in (self.plus, self.minus))
        changes = np.abs([value - f for value in (*plus, *minus)])
        height = np.min(np.where(changes > 0, changes, np.inf), axis=0)
        noise = np.where(np.isfinite(height), np.maximum(self.noise, height), self.noise)
        return Ladder(self.function, self.direction, noise, self.first, steps, plus, minus, wide)

    def slope(self) -> Slope:
        """Estimate the slope from the values collected so far."""
        steps, h = np.asarray(self.steps), np.asarray(self.wide)[:, None]
        plus, minus, f = np.array(self.plus), np.array(self.minus), self.function.value
        with np.errstate(all="ignore"):
            largest = np.maximum(np.abs(plus), np.abs(minus))
            noise = np.minimum(self.noise, self._most_noise(plus, minus))
            noise = np.maximum(noise, 3 * self.function.eps * _finite(largest)) / h
            gaps, quotients = (plus - 2 * f + minus) / h, (plus - minus) / (2 * h)
            rough = np.nan_to_num(roughness(gaps, noise)) + self._far_off(quotients, noise)
            sides = (plus - f) / h, (f - minus) / h
            central, right, left = _extrapolated(quotients, *sides, noise, rough)
            kink, jump = _kinks(steps, gaps, 4 * noise)
            middle = (left.value + right.value) / 2
            jump |= kink & self._is_beside((plus - minus) / 2 - h * middle)
            curved = _finite(np.maximum(np.abs(plus[-1] - f), np.abs(minus[-1] - f)) / h[-1])
            changes = _finite(np.fmax(np.abs(plus - f), np.abs(minus - f)))
        seen = (changes > 5 * noise * h) & (steps[:, None] <= NEAR)
        one_side = np.isfinite(plus[-1]) ^ np.isfinite(minus[-1])
        value = right.where(~np.isfinite(minus[-1]), left).where(one_side, central)
        # Beyond its bounds a function has no slope, and needs none.
        larger = np.maximum if self.function.bounds is None else np.fmax
        scale = np.maximum(np.abs(value.value), larger(np.abs(right.value), np.abs(left.value)))
        enough = np.maximum(np.maximum(_KNOWN * scale, 2 * value.rounding), _LEVEL * curved)
        return Slope(
            *value,
            kink=kink & ~one_side,
            jump=jump & ~one_side,
            bent=_is_bent(gaps, 4 * noise, scale),
            edge=one_side & (self.function.bounds is None),
            settled=np.isfinite(value.value) & (value.error <= enough),
            left=left.value,
            right=right.value,
            side_error=np.maximum(left.error, right.error),
            curved=curved,
            moves=np.any(seen, axis=0),
            steep=_steepest(h, changes, seen & (h <= RATIO * self.first)),
            finest=noise[-1],
            nearby=_nearby(self.steps, quotients, noise, self.near),
        )

    def _most_noise(self, plus: Array, minus: Array) -> Array:
        """The most that the noise (m,) can be: more would have shown in the changes (k, m) of the smallest steps.

        Of a function on stairs small steps change nothing, which tells nothing.
        """
        changes = np.abs(np.concatenate([plus[-_LEAST:], minus[-_LEAST:]]) - self.function.value)
        tells = np.all(changes > 0, axis=0) & (len(self.steps) > _LEAST)
        return np.where(tells, _NOISIEST * np.max(changes, axis=0), np.inf)

    def _is_beside(self, shifts: Array) -> Array:
        """Where a kink lies beside the point, by less than the smallest step.

        Half the difference (k, m) of the values on both sides is then off by the same amount at every step.
        """
        last = shifts[-_BESIDE:]
        least, most = np.min(np.abs(last), axis=0), np.max(np.abs(last), axis=0)
        same = (np.abs(np.sum(np.sign(last), axis=0)) == _BESIDE) & (most < _SHIFTED * least)
        return np.asarray(same & (least > 10 * self.function.eps * np.abs(self.function.value)))

    def _far_off(self, quotients: Array, noise: Array) -> Array:
        """The difference (k, m) of quotients of long steps from the one of the largest step nearby, beyond noise."""
        far = np.asarray(self.steps) > self.near
        if np.all(far) or not np.any(far):
            return np.zeros_like(quotients)
        k = int(np.argmin(far))
        off = np.maximum(np.abs(quotients - quotients[k]) - 2 * (noise + noise[k]), 0)
        return np.where(far[:, None], _finite(off), 0)


def _finite(values: Array) -> Array:
    """The values, 0 where they are NaN or infinite."""
    return np.nan_to_num(values, nan=0, posinf=0)


def _steepest(steps: Array, changes: Array, seen: Array) -> Array:
    """The largest change (m,) per step, of changes (k, m) beyond the noise that the next step shows as well.

    A resolved change falls from step to step by no more than the fourth power of `RATIO`. A change that vanishes
    belongs to a structure that no step has resolved.
    """
    followed = seen.copy()
    followed[:-1] &= seen[1:] & (changes[:-1] <= RATIO**4 * changes[1:])
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


def _is_bent(gaps: Array, rounding: Array, scale: Array) -> Array:
    """Where the jump of the slope does not shrink with the last step as that of a smooth function does."""
    if len(gaps) < 2:
        return np.zeros(gaps.shape[1], bool)
    last = np.abs(gaps[-1])
    bent: Array = (last > _BENT * np.abs(gaps[-2])) & (last > np.maximum(5 * rounding[-1], _FLAT * scale))
    return bent


# Measuring: steps along one direction until its slope is known as well as it is needed.
#
# Steps go on falling as long as the truncation is what is seen, and grow where it is the noise.

_FLAT = 1e-9
"""Of the slope: no slope need be known better, as no right gradient is asked for more (`method.FINEST`)."""
_NEARLY_FLAT = 0.02
"""Of the slope or its claim: an error that is worth no further step, however flat the function seems."""
_LOOSE, _FOUR_DIGITS = 1e3, 1e-4
"""A slope that agrees with its claim may be known so much worse than the goal; under noise, to four digits."""
_MOSTLY = 0.3
"""Where rounding is more than this share of the error, smaller steps do not help."""


def measure(ladder: Ladder, claimed: Array, goal: Array, *, thorough: bool = False) -> Slope:
    """The slope to `goal` (m,), absolute; sooner where it agrees with what is `claimed` (m,).

    thorough: go on until the noise is what limits it, for a verdict against a gradient. Raises `OutOfCalls` where not
    a single step can be taken.
    """
    if not ladder.down_to(2):
        raise OutOfCalls
    shrinking = growing = True
    while True:
        slope = ladder.slope()
        good = _good(slope, claimed, goal, thorough) | slope.sharp
        noisy = slope.rounding >= _MOSTLY * slope.error
        fewest = 5 if thorough and not np.all(slope.sharp) else 4 if np.any(slope.bent) else 2
        # A narrower structure or domain may lie within the smallest step.
        few = len(ladder.steps) < fewest or bool(np.any((slope.bent & ~slope.corner) | slope.edge))
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
        flat = np.minimum(flat, _NEARLY_FLAT * np.maximum(np.abs(claimed), np.abs(slope.value)))
    if thorough:  # to the size that was found: the claim may be wrong by many orders
        return np.asarray(slope.error <= np.maximum(_FLAT * np.abs(slope.value), flat))
    off, noisy = np.abs(slope.value - claimed), slope.rounding >= _MOSTLY * slope.error
    good = slope.error <= np.maximum(goal, flat)
    good |= (off <= np.minimum(3 * slope.error, goal)) & (slope.error <= _LOOSE * goal)
    return np.asarray(
        good | ((off <= 3 * slope.error) & noisy & (slope.error <= _FOUR_DIGITS * np.abs(claimed)))
    )


# Complex step: the slope along a direction without a subtraction, Im f(x + ihv) / h (Squire and Trapp 1998).
#
# It is the slope only where the function is analytic in what it computes. abs, .real, a conjugate or a comparison
# of parts make it another number, without an error: so it is believed only where it agrees with real difference
# quotients.

_STEP, _STEP_IF_NARROW = 2.0**-100, 2.0**-40
"""No truncation is left of either: h² is far below eps. In float32 a product of smaller parts would underflow."""
_SAME_VALUE = 1e-3
"""Of the value: a function whose real part differs by more computes something else for complex numbers."""


def complex_slope(function: FunctionOracle, direction: Direction) -> Array | None:
    """The slope (m,) along `direction`; None where the function takes no complex numbers, or no calls are left."""
    if not function.room(1):
        return None
    step = _STEP if function.structure.format.bits == 53 else _STEP_IF_NARROW
    point = function.point.astype(np.result_type(function.point, np.complex64))
    point[direction.where] += 1j * step * direction.by
    value = function.at_complex(point)
    if value is None or not np.all(np.isfinite(value)):
        return None
    if not np.allclose(value.real, function.value, rtol=_SAME_VALUE, atol=0):
        return None
    return np.asarray(value.imag / step)


def agrees(slope: Array | None, real: Slope, size: Array) -> bool:
    """Whether a complex step is the slope that real quotients found, as well as those can tell.

    size (m,): ‖g∘v‖, below whose rounding a difference says nothing.
    """
    if slope is None or np.any(real.kink | real.edge | ~real.settled):
        return False
    slack = 3 * real.error + _FLAT * np.maximum(np.abs(real.value), size)
    return bool(np.all(np.abs(slope - real.value) <= slack))

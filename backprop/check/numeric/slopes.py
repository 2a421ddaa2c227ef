"""Slopes: the derivative of a black box along a direction, from difference quotients and from complex steps.

In the order of this file: the steps that are taken; how many of them; complex steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import SINGLE
from backprop.check.numeric.directions import FIRST_STEP, RATIO, Direction
from backprop.check.numeric.quotients import (
    ALLOWED,
    CLEARLY,
    FINEST,
    KNOWN,
    NEAR,
    SEEN,
    Slope,
    extrapolate,
    extrapolated,
    finite,
    is_bent,
    kinks_in,
    nearest,
    roughness,
    steepest,
)
from backprop.check.oracle import FunctionOracle, OutOfCalls

# Steps fall by four. They start at a 60th of the scale of the point, or where the function's own structure is
# narrower than that, at the size of the structure.

_MOST_LEVELS = 40
"""Steps along one direction at most: from 4¹⁰ times the first step down to 4⁻³⁰ of it, below rounding."""

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
_NOISIEST = 30.0
"""Noise is at most this many times what each of the `_LEAST` smallest steps changes the function by."""
_OF_A_GAP = 4.0
"""Times the noise: that of f(x + hv) - 2 f(x) + f(x - hv), which adds four values."""
_LEAST, _BESIDE = 2, 3
"""The smallest steps that bound the noise, and those that show a kink beside the point."""
_LEVEL = 1e-6
"""A limit need not be known better than this share of the slope at the smallest step alone."""
_SHIFTED = 1.2
"""Shifts by one kink beside the point differ by less than this factor."""


class Rung(NamedTuple):
    """The values (m,) on both sides of the point for a step; wide: the step as it was taken, after rounding."""

    step: float
    wide: float
    plus: Array
    minus: Array

    @property
    def quotient(self) -> Array:
        """The central quotient (m,)."""
        return np.asarray((self.plus - self.minus) / (2 * self.wide))

    @property
    def ends(self) -> dict[int, Array]:
        """The sides, 1 and -1, on which the function has values, each with its values."""
        both = {1: self.plus, -1: self.minus}
        return {side: values for side, values in both.items() if np.all(np.isfinite(values))}


@dataclass
class Ladder:
    """The steps along one direction, from the largest down. first: the one that is taken first."""

    function: FunctionOracle
    direction: Direction
    noise: Array
    first: float = FIRST_STEP
    rungs: list[Rung] = field(default_factory=list)

    @property
    def near(self) -> float:
        """The longest step that tells of the point: the size of the function's structure, where one was seen."""
        return NEAR if self.first == FIRST_STEP else self.first

    def down(self) -> bool:
        """One step more at the small end; False where rounding of the point or the budget forbids it."""
        return self._add(self.rungs[-1].step / RATIO if self.rungs else self.first, len(self.rungs))

    def up(self) -> bool:
        """One step more at the large end."""
        largest = self.rungs[0]
        return (
            len(largest.ends) == 2
            and largest.step < self.direction.reach
            and self._add(largest.step * RATIO, 0)
        )

    def down_to(self, levels: int) -> int:
        """Steps down until there are so many; how many there are."""
        while len(self.rungs) < levels and self.down():
            pass
        return len(self.rungs)

    def _add(self, step: float, place: int) -> bool:
        if not self.function.room(2) or len(self.rungs) >= _MOST_LEVELS:
            return False
        x, where = self.function.at_format(self.function.point), self.direction.where
        forward, backward = (self.function.as_given(self.direction.moved(x, by)) for by in (step, -step))
        lost = (forward[where] == x[where]) | (backward[where] == x[where])
        if np.any(lost & (step * self.direction.by != 0)):
            return False
        wide = step
        if len(where) == 1:
            wide = float((forward[where] - backward[where])[0] / (2 * self.direction.by[0]))
        self.rungs.insert(place, Rung(step, wide, self.function.at(forward), self.function.at(backward)))
        return True

    def off_stairs(self) -> Ladder:
        """The steps that move a function whose values lie on stairs; the height of a stair is their noise."""
        f = self.function.value
        moved = [one for one in self.rungs if np.any(one.plus != f) or np.any(one.minus != f)]
        changes = np.abs([end - f for one in moved for end in (one.plus, one.minus)])
        height = np.min(np.where(changes > 0, changes, np.inf), axis=0)
        noise = np.where(np.isfinite(height), np.maximum(self.noise, height), self.noise)
        return replace(self, noise=noise, rungs=moved)

    def columns(self) -> tuple[Array, Array, Array, Array]:
        """The steps (k,), as they were taken (k, 1), and the values (k, m) on both sides."""
        steps, wide, plus, minus = (np.array(each) for each in zip(*self.rungs, strict=True))
        return steps, wide[:, None], plus, minus

    def slope(self) -> Slope:
        """Estimate the slope from the values collected so far."""
        steps, h, plus, minus = self.columns()
        f, eps, bounds = self.function.value, self.function.eps, self.function.bounds
        with np.errstate(all="ignore"):
            changes = finite(np.fmax(np.abs(plus - f), np.abs(minus - f)))
            noise = np.minimum(self.noise, self._most_noise(plus, minus))
            noise = np.maximum(noise, ALLOWED * eps * finite(np.maximum(np.abs(plus), np.abs(minus)))) / h
            gaps, quotients = (plus - 2 * f + minus) / h, (plus - minus) / (2 * h)
            rough = np.nan_to_num(roughness(gaps, noise)) + self._far_off(steps, quotients, noise)
            sides = (plus - f) / h, (f - minus) / h
            central, right, left = extrapolated(quotients, *sides, noise, rough)
            kink, jump = kinks_in(steps, gaps, _OF_A_GAP * noise)
            middle = (left.value + right.value) / 2
            jump |= kink & self._is_beside((plus - minus) / 2 - h * middle)
            curved = finite(np.maximum(np.abs(plus[-1] - f), np.abs(minus[-1] - f)) / h[-1])
        seen = (changes > SEEN * noise * h) & (steps[:, None] <= NEAR)
        one_side = np.isfinite(plus[-1]) ^ np.isfinite(minus[-1])
        edge = one_side & (bounds is None)
        if np.any(edge):  # as of √x, where powers of h are left that extrapolation does not remove
            plain = (extrapolate(each, 2 * noise, ()) for each in sides)
            right, left = (one.where(edge, limit) for one, limit in zip(plain, (right, left), strict=True))
        value = right.where(~np.isfinite(minus[-1]), left).where(one_side, central)
        # Beyond its edge a function has no slope, and needs none.
        scale = np.maximum(np.abs(value.value), np.fmax(np.abs(right.value), np.abs(left.value)))
        enough = np.maximum(
            np.maximum(np.where(edge, KNOWN / 10, KNOWN) * scale, 2 * value.rounding), _LEVEL * curved
        )
        nearby, nearby_error = nearest(steps, quotients, noise, self.near)
        return Slope(
            *value,
            kink=kink & ~one_side,
            jump=jump & ~one_side,
            bent=is_bent(gaps, _OF_A_GAP * noise, scale),
            edge=edge,
            settled=np.isfinite(value.value) & (value.error <= enough),
            left=left.value,
            right=right.value,
            side_error=np.maximum(left.error, right.error),
            curved=curved,
            moves=np.any(seen, axis=0),
            steep=steepest(h, changes, seen & (h <= RATIO * self.first)),
            finest=noise[-1],
            nearby=nearby,
            nearby_error=nearby_error,
        )

    def _most_noise(self, plus: Array, minus: Array) -> Array:
        """The most that the noise (m,) can be: more would have shown in the changes (k, m) of the smallest steps.

        Of a function on stairs small steps change nothing, which tells nothing.
        """
        changes = np.abs(np.concatenate([plus[-_LEAST:], minus[-_LEAST:]]) - self.function.value)
        tells = np.all(changes > 0, axis=0) & (len(self.rungs) > _LEAST)
        return np.where(tells, _NOISIEST * np.max(changes, axis=0), np.inf)

    def _is_beside(self, shifts: Array) -> Array:
        """Where a kink lies beside the point, by less than the smallest step.

        Half the difference (k, m) of the values on both sides is then off by the same amount at every step.
        """
        last = shifts[-_BESIDE:]
        least, most = np.min(np.abs(last), axis=0), np.max(np.abs(last), axis=0)
        same = (np.abs(np.sum(np.sign(last), axis=0)) == _BESIDE) & (most < _SHIFTED * least)
        return np.asarray(same & (least > CLEARLY * self.function.eps * np.abs(self.function.value)))

    def _far_off(self, steps: Array, quotients: Array, noise: Array) -> Array:
        """The difference (k, m) of quotients of long steps from the one of the largest step nearby, beyond noise."""
        far = steps > self.near
        if np.all(far):
            return np.zeros_like(quotients)
        k = int(np.argmin(far))
        off = np.maximum(np.abs(quotients - quotients[k]) - 2 * (noise + noise[k]), 0)
        return np.where(far[:, None], finite(off), 0)


# Measuring: steps along one direction until its slope is known as well as it is needed.
#
# Steps go on falling as long as the truncation is what is seen, and grow where it is the noise.

_NEARLY_FLAT = 0.02
"""Of the slope or its claim: an error that is worth no further step, however flat the function seems."""
_LOOSE, _FOUR_DIGITS = 1e3, 1e-4
"""A slope that agrees with its claim may be known so much worse than the goal; under noise, to four digits."""
_THOROUGH, _IF_BENT = 5, 4
"""Steps at least for a verdict against a gradient, and where the function bends: two may agree by chance."""
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
        fewest = _THOROUGH if thorough and not np.all(slope.sharp) else _IF_BENT if np.any(slope.bent) else 2
        # A narrower structure or domain may lie within the smallest step.
        few = len(ladder.rungs) < fewest or bool(np.any((slope.bent & ~slope.corner) | slope.edge))
        if few and shrinking:
            shrinking = ladder.down()
        elif np.all(good):
            return slope
        elif shrinking and not np.all(good | noisy | (slope.finest > slope.error)):
            shrinking = ladder.down()
        elif growing and np.all(good | noisy) and len(ladder.rungs) < _MOST_LEVELS // 2:
            growing = ladder.up()
        else:
            return slope


def _good(slope: Slope, claimed: Array, goal: Array, thorough: bool) -> Array:
    """Where the slope is known as well as it is needed."""
    flat = FINEST * slope.curved  # near a minimum the slope does not show, and need not
    if np.any(claimed):
        flat = np.minimum(flat, _NEARLY_FLAT * np.maximum(np.abs(claimed), np.abs(slope.value)))
    if thorough:  # to the size that was found: the claim may be wrong by many orders
        return np.asarray(slope.error <= np.maximum(FINEST * np.abs(slope.value), flat))
    off, noisy = np.abs(slope.value - claimed), slope.rounding >= _MOSTLY * slope.error
    good: Array = slope.error <= np.maximum(goal, flat)
    good |= (off <= np.minimum(ALLOWED * slope.error, goal)) & (slope.error <= _LOOSE * goal)
    good |= (off <= ALLOWED * slope.error) & noisy & (slope.error <= _FOUR_DIGITS * np.abs(claimed))
    return good


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
    step = _STEP if function.structure.format.bits > SINGLE.bits else _STEP_IF_NARROW
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
    slack = ALLOWED * real.error + FINEST * np.maximum(np.abs(real.value), size)
    return bool(np.all(np.abs(slope - real.value) <= slack))

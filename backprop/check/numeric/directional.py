"""The check along directions: how slopes near the point are found, and what a right gradient may be off from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import SINGLE
from backprop.check.numeric.comparison import Comparison, compare_with_quotients
from backprop.check.numeric.directions import FIRST_STEP, Direction, Scales, random_signs
from backprop.check.numeric.quotients import ALLOWED, FINEST, SEEN, Slope
from backprop.check.numeric.slopes import Ladder, measure
from backprop.check.oracle import FunctionOracle

BLURRED = 2.0**-7
"""Of a gradient: where the truth is known no better than this, a mistake of a per cent would pass."""
_COARSE_STAIRS = 2 * SINGLE.eps
"""Values on coarser stairs than those of float32, with a bit to spare."""
_QUIET = 1000.0
"""Roundings of float64: values noisier than this were not computed in float64 alone."""
QUOTIENTS = 8
"""Calls that the quotients along one direction take, about: four steps, on both sides of the point."""
_FAR_STEPS = (0.3, -0.3, 1.0, -1.0, 4.0, -4.0)
"""Of the scale: steps so long that a function which stays still along all of them is constant."""

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
ROUNDINGS = 32.0
"""Times the rounding that was measured of a gradient: at other points it may be larger."""
_ALLOWED_IF_NOISY, _ALLOWED_ON_STAIRS = 4.0, 12.0
"""The same as `ALLOWED`, where noise may not be as even as it was measured, and where stairs are uneven."""
_NEGLIGIBLE = 0.02
"""Of the largest entry of a tensor: an error of a slope that does not matter."""
_COARSE, _COARSELY_WRONG = 1e-3, 0.07
"""Of a slope: a claim of three digits is wrong beyond its second."""
_DUST = 1e-6
"""Of how much a function moves elsewhere: a slope that small may be lost where it does not move."""
_CORNER_STEPS, _CORNER_SPAN, _SAME_CORNER = 1e5, 64.0, 0.01
"""Steps of so many times the noise of a corner, down to a 64th of them, show its jump to a hundredth."""
_STEPS = 4
"""Steps from the longest of these to the shortest, each a fourth of the one before."""
_NEAR_POINTS, _ASIDE, _ASIDE_RANGE = 12, 2.0**-10, (0.3, 1)
"""Points beside this one, at the fourth root of eps with some room, or a third of that: off every edge."""
_GOAL = 8.0
"""Roundings of the function's values, beside `FINEST`: no slope need be known better."""
_INTEGRALS, _AT_CORNERS = 24, 4
"""Line integrals of one check: each takes 32 calls of the gradient."""
_SMALL = 1e-3
"""Of the largest entry of a tensor: a smaller one need not be known better."""


@dataclass
class DirectionalCheck:
    """A function and a claim (m, p) of its gradient near the point: what is known of both, and how slopes are found.

    relative (p,): how far the claim's entries may be off, relative to themselves. rounding (m, p): how far rounding
    moves them beyond that. slack (m, p): how far they may be off by the accuracy that the user asked for.
    noise (m,): of the function. blurred: a truth that is known no better than this share leaves a gradient undecided.
    refine: measures the claim's rounding more closely, when something seems wrong.
    first: the largest step inside the function's structure.
    complex: whether complex steps are trusted; disproved: whether they were trusted until quotients contradicted
    them; confirmed: how many slopes were found by both.
    rows_at: the claim at other points, which rounds them to `rows_eps`. It is integrated along at most `integrals`
    steps, `corner_integrals` of them at corners; in_vain: how many of the last ones cleared nothing that had seemed
    wrong.
    beside: the claims (k, m, p) at points next to this one, on its `sides` (k, p); None until they are computed.
    """

    function: FunctionOracle
    claimed: Array
    rounding: Array
    relative: Array
    slack: Array
    scales: Scales
    noise: Array
    rng: np.random.Generator
    blurred: float = BLURRED
    refine: Callable[[], Array] | None = None
    first: float = FIRST_STEP
    complex: bool = False
    disproved: bool = False
    confirmed: int = 0
    rows_at: Callable[[Array], Array | None] | None = None
    rows_eps: float = 0.0
    integrals: int = _INTEGRALS
    corner_integrals: int = _AT_CORNERS
    in_vain: int = 0
    beside: Array | None = None
    sides: Array = field(default_factory=lambda: np.zeros((0, 0)))

    @cached_property
    def largest(self) -> Array:
        """For each entry (m, p) the largest change that any entry of its tensor makes by a step of its own scale."""
        sizes = np.abs(np.nan_to_num(self.claimed)) * self.scales.own
        for where in self.function.structure.places.values():
            sizes[:, where] = np.max(sizes[:, where], axis=1, initial=0, keepdims=True)
        return np.asarray(sizes)

    @property
    def noisy(self) -> bool:
        """Whether the values are noisier than float64's rounding makes them."""
        eps = np.finfo(self.function.structure.dtype).eps
        return bool(np.any(self.noise > _QUIET * eps * np.abs(self.function.value)))

    @property
    def on_coarse_stairs(self) -> bool:
        """Whether the function rounds what it is given, or its values, to fewer digits than those of float32."""
        return self.function.coarse > _COARSE_STAIRS or bool(np.any(self.function.grid() > _COARSE_STAIRS))

    @property
    def reach(self) -> float:
        """The size of the function's structure, beside the scale of the point: 1 where it is no narrower."""
        return min(1.0, self.first / FIRST_STEP)

    # The claim ---------------------------------------------------------------------------------------

    def allowed(self, direction: Direction) -> Array:
        """The error (m,) that a right gradient may have along a direction: its rounding, and the rtol asked for."""
        own = direction.size(self.relative * self.claimed) + direction.size(self.slack)
        return own + ROUNDINGS * direction.size(self.rounding)

    def tolerance(
        self, direction: Direction, value: Array, claimed: Array, error: Array | float = 0.0
    ) -> Array:
        """The error (m,) that a right claim may have; before a claim is called wrong, its rounding is measured."""
        relative = float(np.max(self.relative[direction.where])) * np.abs(value)
        tolerance = np.maximum(self.allowed(direction), relative) + error
        if self.refine is not None and not np.all(np.abs(value - claimed) <= tolerance):
            self.look_at_rounding()
            tolerance = np.maximum(self.allowed(direction), relative) + error
        return np.asarray(tolerance)

    def look_at_rounding(self) -> None:
        """Ask the gradient at other points how far rounding moves it, once."""
        if self.refine is not None:
            self.rounding = np.maximum(self.rounding, self.refine())
            self.refine = None

    def rows(self, point: Array) -> Array | None:
        """The claim (m, p) at a point (p,); None where there is none."""
        return None if self.rows_at is None else self.rows_at(point.astype(self.function.point.dtype))

    def claims_beside(self) -> Array | None:
        """The claims (k, m, p) at points next to this one, off every edge; None where there are none."""
        # At most a quarter of the calls that are left.
        if self.beside is None and self.rows_at is not None and self.function.room(4 * _NEAR_POINTS):
            rng = np.random.default_rng(0)
            x, shape = self.function.point, (_NEAR_POINTS, len(self.function.point))
            eps = self.function.eps / np.finfo(np.float64).eps
            # Not so near that the function, or the claim, rounds the difference away.
            aside = max(_ASIDE * eps**0.25 * self.reach, self.function.coarse, 4 * self.rows_eps)
            self.sides = rng.uniform(*_ASIDE_RANGE, shape) * random_signs(shape, rng)
            rows = [self.rows(x + aside * self.scales.tensor * side) for side in self.sides]
            seen = [each for each in rows if each is not None]
            self.beside = np.array(seen) if len(seen) == len(rows) else np.zeros((0, *self.claimed.shape))
        return self.beside if self.beside is not None and len(self.beside) else None

    def claims_along(self, direction: Direction) -> Array | None:
        """The slopes (k, m) that the claim has along a direction at points next to this one; None without any."""
        beside = self.claims_beside()
        return None if beside is None else np.asarray(beside[:, :, direction.where] @ direction.by)

    # The function ------------------------------------------------------------------------------------

    def stays_still(self, direction: Direction) -> bool:
        """Whether long steps do not move the function either: its values may lie on stairs."""
        f, x = self.function.value, self.function.point
        values = [self.function.at(direction.moved(x, step)) for step in _FAR_STEPS]
        return not any(np.any(np.abs(value - f) > SEEN * self.noise) for value in values)

    def disprove(self) -> None:
        """Trust complex steps no more."""
        self.complex, self.disproved = False, True

    # Slopes ------------------------------------------------------------------------------------------

    def ladder(self, direction: Direction, first: float | None = None) -> Ladder:
        """Steps along a direction, none taken yet."""
        noise = np.maximum(self.noise, self.function.grid() * np.abs(self.function.value))
        if len(direction.where) > 1:  # every entry that moves is rounded, and moves the value with it
            moving = Direction(direction.where, self.function.point[direction.where])
            eps = max(self.function.eps, self.function.coarse / 2)
            noise = noise + eps * moving.size(np.nan_to_num(self.claimed))
        return Ladder(self.function, direction, noise, self.first if first is None else first)

    def quotients(self, direction: Direction) -> Slope:
        """The slope from real difference quotients alone."""
        ladder = self.ladder(direction)
        return self.closer(self.measured(ladder, thorough=True), ladder)

    def measured(self, ladder: Ladder, thorough: bool) -> Slope:
        """The slope from steps that fall until it is known well enough."""
        direction = ladder.direction
        claimed, goal = direction.along(self.claimed), self._goal(direction)
        slope = measure(ladder, claimed, goal, thorough=thorough)
        noise = self.ladder(direction).noise
        if np.any(noise > ladder.noise):  # these values showed in what format they come
            ladder.noise = noise
            slope = measure(ladder, claimed, goal, thorough=thorough)
        return slope

    def _goal(self, direction: Direction) -> Array:
        """The accuracy (m,) to which a slope is needed, beside ‖g∘v‖ and the largest entry that moves."""
        largest = np.max(self.largest[:, direction.where], axis=1)
        size = np.maximum(direction.size(self.claimed), _SMALL * largest)
        return np.asarray(max(FINEST, _GOAL * self.function.eps) * size)

    def closer(self, slope: Slope, ladder: Ladder) -> Slope:
        """The slope, with smaller steps where there seems to be a corner: a narrow bend looks like one from afar."""
        jump = np.abs(slope.right - slope.left)
        if not np.any(slope.kink) or not self.function.room(QUOTIENTS):
            return slope
        with np.errstate(all="ignore"):
            first = float(_CORNER_STEPS * np.max(np.where(slope.kink, ladder.noise / jump, 0)))
        if not 0 < first < ladder.rungs[-1].step:
            return slope
        if self._is_same_corner(slope, ladder, first / _CORNER_SPAN):
            return slope
        nearer = self.ladder(ladder.direction, first)
        if nearer.down_to(_STEPS) < _STEPS:
            return slope
        close = nearer.slope()
        with np.errstate(all="ignore"):
            change = np.abs(close.right - close.left - slope.right + slope.left)
            same = close.corner & (change <= _SAME_CORNER * jump)
            same |= close.curved == 0  # steps so small that they do not move the function tell nothing
        return close.where(slope.kink & ~same, slope)

    def _is_same_corner(self, slope: Slope, ladder: Ladder, step: float) -> bool:
        """Whether one small step shows the slopes of both sides that longer ones have shown."""
        nearest = self.ladder(ladder.direction, step)
        if not nearest.down():
            return False
        _, h, plus, minus = nearest.rungs[0]
        right, left = (plus - self.function.value) / h, (self.function.value - minus) / h
        with np.errstate(invalid="ignore"):
            off = np.maximum(np.abs(right - slope.right), np.abs(left - slope.left))
            same = off <= _SAME_CORNER * np.abs(slope.right - slope.left)
        return bool(np.all((same & slope.corner) | ~slope.kink))

    # The claim beside a slope ------------------------------------------------------------------------

    def judge(self, direction: Direction, slope: Slope) -> Comparison:
        """Compare the claim with a slope that was measured."""
        claimed = direction.along(self.claimed)
        coarse = self.on_coarse_stairs
        allowed = _ALLOWED_ON_STAIRS if coarse else _ALLOWED_IF_NOISY if self.noisy else ALLOWED
        error = allowed * slope.error
        stairs = np.zeros_like(error)
        if (
            self.function.coarse > _COARSE_STAIRS
        ):  # the values belong to a rounded point, and the claim may not
            along = self.claims_along(direction)
            stairs = np.abs(slope.right - slope.left) + (0 if along is None else np.ptp(along, axis=0))
        tolerance = self.tolerance(direction, slope.value, claimed, error + stairs)
        negligible = _NEGLIGIBLE * np.max(self.largest[:, direction.where], axis=1)
        comparison = compare_with_quotients(direction, claimed, slope, tolerance, stairs, negligible)
        still = (slope.value == 0) & ~slope.moves
        if np.any(still):
            comparison = self._where_nothing_moves(comparison, still)
        if float(np.max(self.relative[direction.where])) > _COARSE:
            largest = np.maximum(np.abs(slope.value), np.abs(claimed))
            sure = np.abs(slope.value - claimed) > _COARSELY_WRONG * largest
            reason = "its own few digits may hide an error of a per cent"
            comparison = comparison.left_open(comparison.wrong & ~sure, reason)
        return comparison

    def _where_nothing_moves(self, comparison: Comparison, still: Array) -> Comparison:
        """The comparison where the function gives the same value at all steps (m,) that are `still`.

        Rounding may hide a slope of eps of the function's values there. It is no mistake where the function moves
        elsewhere, and by far more than that. Else nothing is known of it.
        """
        values, moved = self.function.natural, self.function.natural_spread()
        claimed = np.abs(comparison.claimed)
        hidden = self.function.grid() * np.max(np.nan_to_num(np.abs(values), nan=0, posinf=0), axis=0)
        lost = still & (claimed != 0) & (claimed <= hidden)
        dust = lost & (np.maximum(claimed, hidden) <= _DUST * moved)
        unclear = lost & ~dust
        reason = "the rounding of the function's values hides its slope"
        return replace(
            comparison,
            wrong=comparison.wrong & ~lost,
            open=(comparison.open & ~dust) | unclear,
            kink=comparison.kink & ~dust,
            tolerance=np.where(lost, comparison.tolerance + hidden, comparison.tolerance),
            moves=comparison.moves | (still & (moved > 0)),
            steep=np.where(still, moved, comparison.steep),
            reason=reason if np.any(unclear) else comparison.reason,
        )

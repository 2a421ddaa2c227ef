"""Truth: the slope along any direction, by complex step where that can be trusted, else by difference quotients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import (
    Comparison,
    at_kink,
    compare_with_quotients,
    corrected_by_integral,
    line_integral,
)
from backprop.check.numeric.slopes import (
    FIRST_STEP,
    Direction,
    Ladder,
    Scales,
    Slope,
    agrees,
    complex_slope,
    measure,
)
from backprop.check.oracle import FunctionOracle, OutOfCalls

_ROUNDINGS = 32.0
_FINEST = 1e-9
_IN_VAIN, _IN_VAIN_IF_NOISY = 3, 12
_NEGLIGIBLE = 0.02
_QUIET = 1000.0
_SINGLE = 2.0**-22  # values on coarser stairs than those of float32
_ROOM_ON_STAIRS = 12.0
_ROOM, _ROOM_IF_NOISY = 3.0, 4.0  # times the estimated error: noise is not always as even as it was measured
_COARSE, _COARSELY_WRONG = 1e-3, 0.07  # of a slope: a claim of three digits is wrong beyond its second
BLURRED = 2.0**-7
"""Of a gradient: where the truth is known no better than this, a mistake of a per cent would pass."""

_DUST = 1e-6  # of how much a function moves elsewhere: a slope that small may be lost where it does not move
_CORNER_STEPS, _CORNER_SPAN = (
    1e5,
    64.0,
)  # times the noise of a corner; down to a 64th they show three digits of it
_SAME_CORNER = 0.01  # of the jump of the slope
_TOO_FLAT = 0.2
_STAIRS = 3  # places at which a function on stairs is looked at
_BESIDE = 0.01  # of the slopes: by how much they may change within the distance of points beside
_FLATTER, _FLAT = (
    0.5,
    0.1,
)  # of the claim: a slope below these may be that of steps too long for the structure
_NARROWEST = 3e-6  # of the scale of the point: a third of the narrowest structures that are looked for
_ON_STAIRS = "its values lie on stairs, which hide its slope"
_TOO_NARROW = "it has a structure too narrow to tell from noise"
_BETWEEN = 0.7390851332151607  # of the smallest step
_NEAR_POINTS = 12
_PIECE = 128.0  # roundings of the claim's dtype: a step of so many is cut into pieces that it sees
_LONG_STEPS = (0.3, -0.3, 1.0, -1.0, 4.0, -4.0)
_ASIDE = 2.0**-10  # √eps of the dtype of the calls, with some room: far enough to be off every edge


@dataclass
class DirectionalCheck:
    """How slopes near the point are found, and what a gradient (m, p) may be off from them.

    rounding (m, p): how far rounding moves its entries beyond what is `relative`. relative (p,): what they may be
    off, relative to themselves. slack (m, p): what they may be off by the accuracy that was asked for. noise
    (m,): of the function. blurred: of the gradient, a truth that is known no better leaves it undecided. refine:
    a closer look at the rounding, for when something seems wrong. first: the largest step inside the function's
    structure. complex: whether complex steps are trusted; disproved: whether they were, until quotients
    contradicted them. confirmed: how many slopes were found by both. rows_at: the claim at other points, which it
    rounds to `rows_eps`, for `integrals` at most, `corner_integrals` of them at corners; in_vain: how many of the
    last ones cleared nothing that had seemed wrong. elsewhere: the function's values far from the point, and
    beside: the claims (k, m, p) at points next to it, which lie on the `sides` (k, p) of it, once they were asked
    for.
    """

    function: FunctionOracle
    claimed: Array
    rounding: Array
    relative: Array
    slack: Array
    scales: Scales
    noise: Array
    blurred: float = BLURRED
    refine: Callable[[float], Array] | None = None
    first: float = FIRST_STEP
    complex: bool = False
    disproved: bool = False
    confirmed: int = 0
    rows_at: Callable[[Array], Array | None] | None = None
    rows_eps: float = 0.0
    integrals: int = 24
    corner_integrals: int = 4
    in_vain: int = 0
    elsewhere: Array | None = None
    beside: Array | None = None
    sides: Array = field(default_factory=lambda: np.zeros((0, 0)))
    largest: Array = field(init=False)

    def __post_init__(self) -> None:
        self.largest = np.abs(np.nan_to_num(self.claimed)) * self.scales.own
        for places in self.function.structure.views(np.arange(len(self.scales.own))).values():
            where = places.reshape(-1)
            self.largest[:, where] = np.max(self.largest[:, where], axis=1, initial=0, keepdims=True)

    @property
    def noisy(self) -> bool:
        """Whether the values are noisier than float64's rounding makes them."""
        eps = np.finfo(self.function.structure.dtype).eps
        return bool(np.any(self.noise > _QUIET * eps * np.abs(self.function.value)))

    @property
    def on_coarse_stairs(self) -> bool:
        """Whether the function rounds what it is given, or its values, to fewer digits than those of float32."""
        return self.function.coarse > _SINGLE or bool(np.any(self.function.grid() > _SINGLE))

    def compare(self, direction: Direction, *, thorough: bool = False, confirm: bool = True) -> Comparison:
        """Compare the claim along a direction; what seems wrong is looked at again before it is called so.

        Raises `OutOfCalls` where none are left.
        """
        if not self.function.room(1 if self.complex else 4):
            raise OutOfCalls
        if self.complex:
            value = complex_slope(self.function, direction)
            if value is not None and not self._loses_parts(direction, value):
                return self._by_complex_step(direction, value, confirm)
            self._disprove()
        return self._by_quotients(direction, thorough)

    def quotients(self, direction: Direction, *, thorough: bool) -> Slope:
        """The slope from real difference quotients alone."""
        ladder = self.ladder(direction)
        return self._closer(self._measured(ladder, thorough), ladder)

    def judge(self, direction: Direction, slope: Slope) -> Comparison:
        """Compare the claim with a slope that was measured."""
        claimed = direction.along(self.claimed)
        room = _ROOM_IF_NOISY if self.noisy else _ROOM
        if self.on_coarse_stairs:
            room = _ROOM_ON_STAIRS
        error = room * slope.error
        stairs = np.zeros_like(error)
        if (
            self.function.coarse > _SINGLE
        ):  # the values are those at a rounded point, and the claim need not be
            stairs = np.abs(slope.right - slope.left) + self._spread(direction)
        tolerance = self._tolerance(direction, slope.value, claimed, error + stairs)
        largest = np.max(self.largest[:, direction.where], axis=1)
        comparison = compare_with_quotients(
            direction, claimed, slope, tolerance, stairs, _NEGLIGIBLE * largest
        )
        still = (slope.value == 0) & ~slope.moves
        if np.any(still):
            comparison = self._where_nothing_moves(comparison, still)
        if float(np.max(self.relative[direction.where])) > _COARSE:
            sure = np.abs(slope.value - claimed) > _COARSELY_WRONG * np.maximum(
                np.abs(slope.value), np.abs(claimed)
            )
            comparison = comparison.left_open(
                comparison.wrong & ~sure, "its own few digits may hide an error of a per cent"
            )
        return comparison

    def ladder(self, direction: Direction, first: float | None = None) -> Ladder:
        """Steps along a direction, none taken yet."""
        noise = np.maximum(self.noise, self.function.grid() * np.abs(self.function.value))
        if len(direction.where) > 1:  # every entry that moves is rounded, and moves the value with it
            noise = noise + max(self.function.eps, self.function.coarse / 2) * self._point_rounding(direction)
        return Ladder(self.function, direction, noise, self.first if first is None else first)

    def goal(self, direction: Direction) -> Array:
        """How well (m,) a slope need be known: beside ‖g∘v‖, and beside the largest entry of what moves."""
        size = np.maximum(
            direction.size(self.claimed), 1e-3 * np.max(self.largest[:, direction.where], axis=1)
        )
        return np.asarray(max(_FINEST, 8 * self.function.eps) * size)

    def allowed(self, direction: Direction) -> Array:
        """How far (m,) a right gradient may be off along a direction: its own rounding, and the rtol asked for."""
        own = direction.size(self.relative * self.claimed) + direction.size(self.slack)
        return own + _ROUNDINGS * direction.size(self.rounding)

    @property
    def natural(self) -> Array:
        """The function's values (k, m) at the point and on the way from it to zero."""
        if self.elsewhere is None:
            values = [self.function.at(factor * self.function.point) for factor in (0.5, 0.25)]
            self.elsewhere = np.array([self.function.value, *values])
        return self.elsewhere

    def _spread(self, direction: Direction) -> Array:
        """How much (m,) the claim changes along a direction within a rounding of the point."""
        along = self._claims_along(direction)
        return np.zeros(len(self.claimed)) if along is None else np.asarray(np.ptp(along, axis=0))

    def _claims_along(self, direction: Direction) -> Array | None:
        """The slopes (k, m) that the claim has along a direction at points next to this one; None without any."""
        beside = self.claims_beside()
        return None if beside is None else np.asarray(beside[:, :, direction.where] @ direction.by)

    def look_at_rounding(self) -> None:
        """Ask the gradient at other points how far rounding moves it, once."""
        if self.refine is not None:
            self.rounding = np.maximum(self.rounding, self.refine(self.reach))
            self.refine = None

    @property
    def reach(self) -> float:
        """The size of the function's structure, beside the scale of the point: 1 where it is no narrower."""
        return min(1.0, self.first / FIRST_STEP)

    def stays_still(self, direction: Direction) -> bool:
        """Whether long steps do not move the function either: its values may lie on stairs."""
        by, f = direction.dense(len(self.function.point)), self.function.value
        values = [self.function.at(self.function.point + step * by) for step in _LONG_STEPS]
        return all(not np.any(np.abs(value - f) > 5 * self.noise) for value in values)

    def claims_beside(self) -> Array | None:
        """The claims (k, m, p) at points next to this one, off every edge; None where there are none."""
        if self.beside is None and self.rows_at is not None and self.function.room(4 * _NEAR_POINTS):
            rng = np.random.default_rng(0)
            x, scale = self.function.point, self.scales.tensor
            aside = max(_ASIDE * (self.function.eps / 2.0**-52) ** 0.25 * self.reach, self.function.coarse)
            aside = max(aside, 4 * self.rows_eps)
            sides = rng.uniform(0.3, 1, (_NEAR_POINTS, len(x))) * rng.choice(
                (-1.0, 1.0), (_NEAR_POINTS, len(x))
            )
            rows = [self.rows_at(x + aside * scale * side) for side in sides]
            seen = [each for each in rows if each is not None]
            self.beside = np.array(seen) if len(seen) == len(rows) else np.zeros((0, *self.claimed.shape))
            self.sides = sides
        return self.beside if self.beside is not None and len(self.beside) else None

    def _measured(self, ladder: Ladder, thorough: bool) -> Slope:
        direction = ladder.direction
        claimed, goal = direction.along(self.claimed), self.goal(direction)
        slope = measure(ladder, claimed, goal, thorough=thorough)
        noise = self.ladder(direction).noise
        if np.any(noise > ladder.noise):  # these values showed in what format they come
            ladder.noise = noise
            slope = measure(ladder, claimed, goal, thorough=thorough)
        return slope

    def _closer(self, slope: Slope, ladder: Ladder) -> Slope:
        """The slope, with smaller steps where there seems to be a corner: a narrow bend looks like one from afar."""
        jump = np.abs(slope.right - slope.left)
        if not np.any(slope.kink) or not self.function.room(8):
            return slope
        with np.errstate(all="ignore"):
            first = float(_CORNER_STEPS * np.max(np.where(slope.kink, ladder.noise / jump, 0)))
        if not 0 < first < ladder.steps[-1]:
            return slope
        if self._is_same_corner(slope, ladder, first / _CORNER_SPAN):
            return slope
        nearer = self.ladder(ladder.direction, first)
        while len(nearer.steps) < 4 and nearer.down():
            pass
        if len(nearer.steps) < 4:
            return slope
        close = nearer.slope()
        with np.errstate(all="ignore"):
            same = close.corner & (
                np.abs(close.right - close.left - slope.right + slope.left) <= _SAME_CORNER * jump
            )
            same |= close.curved == 0  # steps so small that they do not move the function tell nothing
        return close.where(slope.kink & ~same, slope)

    def _is_same_corner(self, slope: Slope, ladder: Ladder, step: float) -> bool:
        """Whether one small step shows the slopes of both sides that longer ones have shown."""
        nearest = self.ladder(ladder.direction, step)
        if not nearest.down():
            return False
        right = (nearest.plus[0] - self.function.value) / nearest.wide[0]
        left = (self.function.value - nearest.minus[0]) / nearest.wide[0]
        with np.errstate(invalid="ignore"):
            off = np.maximum(np.abs(right - slope.right), np.abs(left - slope.left))
            same = off <= _SAME_CORNER * np.abs(slope.right - slope.left)
        return bool(np.all(same | ~slope.kink) and np.all(slope.corner | ~slope.kink))

    def _tolerance(
        self, direction: Direction, value: Array, claimed: Array, error: Array | float = 0.0
    ) -> Array:
        """How far (m,) a right claim may be off; before any is called wrong, its rounding is looked at closely."""
        relative = float(np.max(self.relative[direction.where])) * np.abs(value)
        tolerance = np.maximum(self.allowed(direction), relative) + error
        if self.refine is not None and not np.all(np.abs(value - claimed) <= tolerance):
            self.look_at_rounding()
            tolerance = np.maximum(self.allowed(direction), relative) + error
        return np.asarray(tolerance)

    def _loses_parts(self, direction: Direction, value: Array) -> bool:
        """Whether a complex step is 0 where the function moves: it takes complex numbers, and drops their parts."""
        if np.all(value != 0) or len(direction.where) > 1 or not self.function.room(2):
            return False
        ladder = self.ladder(direction)
        if not ladder.down():
            return False
        off = np.abs(ladder.plus[0] - ladder.minus[0]) > 10 * np.asarray(ladder.noise)
        even = np.abs(ladder.plus[0] + ladder.minus[0] - 2 * self.function.value)
        odd = np.abs(ladder.plus[0] - ladder.minus[0]) > 0.5 * even
        return bool(np.any((value == 0) & off & odd)) and not agrees(
            value, self.quotients(direction, thorough=True), direction.size(self.claimed)
        )

    def _by_complex_step(self, direction: Direction, value: Array, confirm: bool) -> Comparison:
        claimed = direction.along(self.claimed)
        tolerance = self._tolerance(direction, value, claimed)
        wrong = ~(np.abs(value - claimed) <= tolerance)
        error = np.abs(value) * 64 * np.finfo(value.dtype).eps
        none, unknown = np.zeros(wrong.shape, bool), np.full(wrong.shape, np.nan)
        if confirm and np.any(wrong) and self.function.room(8):
            real = self.quotients(direction, thorough=True)
            self.confirmed += 1
            if not agrees(value, real, direction.size(self.claimed)):
                self._disprove()
                return self.judge(direction, real)
            # Where quotients cannot tell both apart, only a difference far beyond rounding counts.
            blurred = np.abs(real.value - claimed) <= 3 * real.error + tolerance
            strong = np.abs(value - claimed) > 10 * tolerance
            wrong &= ~blurred | strong
        steep = np.abs(value)
        still = steep <= np.finfo(value.dtype).eps * np.abs(self.function.value)
        if np.any(still):
            steep = np.where(still, np.nan_to_num(np.ptp(self.natural, axis=0), nan=0, posinf=0), steep)
        moves = steep > 0
        return Comparison(
            direction, value, claimed, tolerance, error, wrong, none, none, moves, steep, unknown, unknown
        )

    def _by_quotients(self, direction: Direction, thorough: bool) -> Comparison:
        ladder = self.ladder(direction)
        seen = self._measured(ladder, thorough)
        slope = self._closer(seen, ladder)
        comparison = self.judge(direction, slope)
        known = thorough or comparison.clean or (slope is seen and np.all(slope.sharp))
        if not known and self.function.room(6):
            slope = self._closer(self._measured(ladder, True), ladder)
            comparison = self.judge(direction, slope)
        return self.examine(comparison, slope, ladder)

    def examine(self, comparison: Comparison, slope: Slope, ladder: Ladder) -> Comparison:
        """The reading of a slope, with a closer look at what seems wrong, open or vague."""
        size = comparison.direction.size(self.claimed)
        vague = (comparison.tolerance > self.blurred / 2 * size) & (comparison.tolerance < 100 * size)
        flat = (slope.value == 0) & slope.moves
        if np.any(flat) and (self.on_coarse_stairs or self._on_stairs(ladder)):
            ladder = ladder.off_stairs()
            slope = ladder.slope()
            comparison = self.judge(comparison.direction, slope)
            hidden = flat & (slope.value == 0)
            comparison = comparison.left_open(hidden, _ON_STAIRS)
        if np.any(comparison.wrong & ~comparison.kink & self._is_flatter(comparison)) and self._aliased(
            slope, ladder
        ):
            ladder = self.ladder(comparison.direction, _BETWEEN * ladder.steps[-1])
            slope = self._measured(ladder, True)
            comparison = self.judge(comparison.direction, slope)
        if comparison.clean and not np.any(vague):
            return comparison
        if self._is_plain_corner(comparison, slope):
            return comparison
        comparison = self._along_line(comparison, slope, ladder, vague)
        if self.on_coarse_stairs:  # too flat for its claim: narrower than a stair, or wrong
            flat = comparison.wrong & (np.abs(slope.value) < _TOO_FLAT * np.abs(comparison.claimed))
            comparison = comparison.left_open(flat, _ON_STAIRS)
        if np.any(comparison.wrong) and (self.noisy or ladder.steps[0] > self.first):
            comparison = self._at_its_own_scale(comparison, ladder)
        comparison = comparison.left_open(self._may_be_narrower(comparison, ladder), _TOO_NARROW)
        if np.any(comparison.open & slope.corner) and not self.on_coarse_stairs:
            comparison = at_kink(comparison, slope, self._claims_along(comparison.direction))
        return comparison

    def _is_flatter(self, comparison: Comparison) -> Array:
        """Where the function is flatter than the claim: a structure narrower than the steps would look so."""
        return np.asarray(np.abs(comparison.value) < _FLATTER * np.abs(comparison.claimed))

    def _aliased(self, slope: Slope, ladder: Ladder) -> bool:
        """Whether a step between those of the ladder shows another slope: a period may hide from steps by four."""
        between = self.ladder(ladder.direction, _BETWEEN * ladder.steps[-1])
        if not between.down():
            return False
        ends = zip((ladder, between), (-1, 0), strict=True)
        last, new = ((each.plus[k] - each.minus[k]) / (2 * each.wide[k]) for each, k in ends)
        noise = 10 * np.asarray(ladder.noise) / between.wide[0]
        return bool(
            np.any(np.abs(new - slope.value) > 2 * np.abs(last - slope.value) + 10 * slope.error + noise)
        )

    def _is_plain_corner(self, comparison: Comparison, slope: Slope) -> bool:
        """Whether the claim lies between the slopes of a corner, and is one of them on either side of it."""
        direction = comparison.direction
        at_corner = comparison.kink & ~comparison.open & slope.corner
        if (
            len(direction.where) > 1
            or not np.any(at_corner)
            or np.any((comparison.kink | comparison.wrong) & ~at_corner)
        ):
            return False
        beside = self.claims_beside()
        if beside is None:
            return False
        claims = beside[:, :, direction.where[0]] * direction.by[0]
        slack = _BESIDE * (np.abs(slope.left) + np.abs(slope.right))
        up = (self.sides[:, direction.where[0]] > 0)[:, None]
        expected = np.where(up, slope.right, slope.left)
        return bool(np.all((np.abs(claims - expected) <= slack) | ~at_corner))

    def _along_line(self, comparison: Comparison, slope: Slope, ladder: Ladder, vague: Array) -> Comparison:
        """The reading with what the claim elsewhere on the step says of kinks that quotients cannot see through."""
        if self.on_coarse_stairs:  # a claim between two stairs is not the slope of either
            return comparison
        in_vain = np.all(comparison.wrong) and self.in_vain >= (_IN_VAIN_IF_NOISY if self.noisy else _IN_VAIN)
        if self.rows_at is None or self.integrals < 1 or in_vain:
            return comparison
        if np.all(
            comparison.kink & ~comparison.open & ~comparison.wrong
        ):  # at a corner, and between its slopes
            if self.corner_integrals < 1:
                return comparison
            self.corner_integrals -= 1
        seen = self._seen(comparison, slope, ladder, vague, far=False)
        if np.any(seen.wrong):  # a long step sees past noise that was taken for less than it is
            farther = self._seen(comparison, slope, ladder, vague, far=True)
            seen = seen if np.any(farther.wrong | farther.open) else farther
        if np.any(comparison.wrong):
            self.in_vain = self.in_vain + 1 if np.array_equal(seen.wrong, comparison.wrong) else 0
        return seen

    def _seen(
        self, comparison: Comparison, slope: Slope, ladder: Ladder, vague: Array, *, far: bool
    ) -> Comparison:
        """The reading as one path shows it, along the smallest step that can be used, or the longest."""
        if self.rows_at is None:
            return comparison
        self.integrals -= 1
        size = np.maximum(np.abs(comparison.claimed), np.abs(slope.value))
        found = line_integral(
            ladder, comparison.claimed, size, self.rows_at, least=_PIECE * self.rows_eps, far=far
        )
        if found is None:
            return comparison
        tolerance = self._tolerance(comparison.direction, found.quotient, found.mean)
        return corrected_by_integral(comparison, slope, found, tolerance, vague, self.noisy)

    def _on_stairs(self, ladder: Ladder) -> bool:
        """Whether small steps do not move the function, here and at places to which longer steps have moved it."""
        f, x, direction = self.function.value, self.function.point, ladder.direction
        levels = list(zip(ladder.steps, ladder.plus, ladder.minus, strict=True))
        smallest, *values = levels[-1]
        moved = [
            side * step
            for step, *both in levels
            for side, value in zip((1, -1), both, strict=True)
            if np.all(np.isfinite(value)) and np.any(value != f)
        ]
        if (
            not all(np.array_equal(value, f) for value in values)
            or not moved
            or not self.function.room(2 * _STAIRS)
        ):
            return False
        small, same = smallest / 4, 0
        for step in sorted(moved, key=abs)[-_STAIRS:]:
            there, beside = x.copy(), x.copy()
            there[direction.where] += step * direction.by
            beside[direction.where] += (step + small) * direction.by
            same += np.array_equal(self.function.at(there), self.function.at(beside))
        return same >= _STAIRS - 1

    def _at_its_own_scale(self, comparison: Comparison, ladder: Ladder) -> Comparison:
        """The reading, left open where quotients of shorter steps are nearer to the claim than to the slope found.

        Noise that was measured on longer steps may be a narrow structure. A claim that large would show above the
        values' rounding at much smaller steps.
        """
        floor = 100 * self.function.eps * np.abs(self.function.value)
        fits, level = np.zeros(comparison.wrong.shape, int), 0
        while np.any((fits < 2) & comparison.wrong):
            smaller = self.noisy and np.any(
                comparison.wrong & (np.abs(comparison.claimed) * ladder.steps[-1] > floor)
            )
            if level == len(ladder.steps) and not (smaller and ladder.down()):
                break
            quotient = (ladder.plus[level] - ladder.minus[level]) / (2 * ladder.wide[level])
            near = np.abs(quotient - comparison.claimed) <= np.abs(quotient - comparison.value) / 3
            apart = np.abs(comparison.value - comparison.claimed) * ladder.wide[level]
            near &= (ladder.plus[level] != ladder.minus[level]) & (np.asarray(ladder.noise) / 10 <= apart)
            fits = np.where(near, fits + 1, np.where(fits < 2, 0, fits))
            level += 1
        return comparison.left_open(comparison.wrong & (fits >= 2), _TOO_NARROW)

    def _may_be_narrower(self, comparison: Comparison, ladder: Ladder) -> Array:
        """Where the function seems flat, and a structure with the claimed slope would be hidden by the noise.

        Not where the claim is about the same beside the point: that of such a structure would change, too.
        """
        claimed = np.abs(comparison.claimed)
        flat = comparison.wrong & ~comparison.kink & (np.abs(comparison.value) < _FLAT * claimed)
        hidden = flat & (10 * np.asarray(ladder.noise) > _NARROWEST * claimed)
        if np.any(hidden):
            along = self._claims_along(comparison.direction)
            if along is not None:
                hidden &= np.ptp(along, axis=0) > claimed / 2
        return np.asarray(hidden)

    def _where_nothing_moves(self, comparison: Comparison, still: Array) -> Comparison:
        """The reading of a function that gives the same value at all steps (m,) that are `still`.

        Rounding may hide a slope of eps of the function's values there. It is no mistake where the function moves
        elsewhere, and by far more than that. Else nothing is known of it.
        """
        values = self.natural
        hidden = self.function.grid() * np.max(np.nan_to_num(np.abs(values), nan=0, posinf=0), axis=0)
        moved = np.nan_to_num(np.ptp(values, axis=0), nan=0, posinf=0)
        lost = still & (comparison.claimed != 0) & (np.abs(comparison.claimed) <= hidden)
        dust = lost & (np.maximum(np.abs(comparison.claimed), hidden) <= _DUST * moved)
        return replace(
            comparison,
            wrong=comparison.wrong & ~lost,
            open=(comparison.open & ~dust) | (lost & ~dust),
            kink=comparison.kink & ~dust,
            tolerance=np.where(lost, comparison.tolerance + hidden, comparison.tolerance),
            moves=comparison.moves | (still & (moved > 0)),
            steep=np.where(still, moved, comparison.steep),
            reason="the rounding of the function's values hides its slope"
            if np.any(lost & ~dust)
            else comparison.reason,
        )

    def _point_rounding(self, direction: Direction) -> Array:
        moving = Direction(direction.where, self.function.point[direction.where])
        return moving.size(np.nan_to_num(self.claimed))

    def _disprove(self) -> None:
        self.complex = False
        self.disproved = True

"""Looks: the claim compared along a direction, and looked at again in several ways where it seems wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import (
    Comparison,
    compare_at_kink,
    compare_with_integral,
    line_integral,
)
from backprop.check.numeric.directional import QUOTIENTS, DirectionalCheck
from backprop.check.numeric.directions import UNEVEN, Direction
from backprop.check.numeric.quotients import ALLOWED, CLEARLY, Slope
from backprop.check.numeric.slopes import Ladder, agrees, complex_slope
from backprop.check.oracle import OutOfCalls

_ON_STAIRS = "its values lie on stairs, which hide its slope"
_TOO_NARROW = "it has a structure too narrow to tell from noise"

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
_IN_VAIN, _IN_VAIN_IF_NOISY = 3, 12
"""After so many line integrals that cleared nothing no further one is asked for."""
_TOO_FLAT, _FLATTER, _FLAT = 0.2, 0.5, 0.1
"""Of the claim: a slope below these may be that of steps too long for the structure, or of a stair."""
_STAIRS = 3
"""Places at which a function on stairs is looked at."""
_BESIDE = 0.01
"""Of the slopes: by how much they may change within the distance of points beside."""
_NARROWEST = 3e-6
"""Of the scale of the point: a third of the narrowest structures that are looked for."""
_ROUNDED = 64.0
"""Roundings of a complex step that the computation of the function may add up to."""
_VAGUE = 100.0
"""Times the slope: a tolerance that is even wider belongs to a slope that is about zero."""
_SMALLEST = 100.0
"""Roundings of the function's values: by so much a claim must move them along a step to show."""
_NEARER = 3.0
"""Times nearer to the claim than to the slope found: such a quotient tells of a structure with the claimed slope."""
_PIECE = 128.0
"""Roundings of the claim's dtype: a step of so many is cut into pieces that the claim sees."""


def compare(
    check: DirectionalCheck, direction: Direction, *, thorough: bool = False, confirm: bool = True
) -> Comparison:
    """Compare the claim along a direction; what seems wrong is looked at again before it is called so.

    Raises `OutOfCalls` where none are left.
    """
    if not check.function.room(1 if check.complex else 4):  # a slope takes two steps at least
        raise OutOfCalls
    if check.complex:
        value = complex_slope(check.function, direction)
        if value is not None and not _loses_parts(check, direction, value):
            return _by_complex_step(check, direction, value, confirm)
        check.disprove()
    ladder = check.ladder(direction)
    seen = check.measured(ladder, thorough)
    slope = check.closer(seen, ladder)
    comparison = check.judge(direction, slope)
    known = thorough or comparison.clean or (slope is seen and np.all(slope.sharp))
    if not known and check.function.room(QUOTIENTS):
        slope = check.closer(check.measured(ladder, True), ladder)
        comparison = check.judge(direction, slope)
    return examine(check, comparison, slope, ladder)


def _loses_parts(check: DirectionalCheck, direction: Direction, value: Array) -> bool:
    """Whether a complex step is 0 where the function moves: it takes complex numbers, and drops their parts."""
    if np.all(value != 0) or len(direction.where) > 1 or not check.function.room(2):
        return False
    ladder = check.ladder(direction)
    if not ladder.down():
        return False
    _, _, plus, minus = ladder.rungs[0]
    change, even = np.abs(plus - minus), np.abs(plus + minus - 2 * check.function.value)
    moves = (change > CLEARLY * np.asarray(ladder.noise)) & (change > 0.5 * even)
    if not np.any((value == 0) & moves):
        return False
    return not agrees(value, check.quotients(direction), direction.size(check.claimed))


def _by_complex_step(
    check: DirectionalCheck, direction: Direction, value: Array, confirm: bool
) -> Comparison:
    """Compare the claim with a complex step, and what seems wrong with real quotients, too."""
    claimed = direction.along(check.claimed)
    tolerance = check.tolerance(direction, value, claimed)
    wrong = ~(np.abs(value - claimed) <= tolerance)
    eps = np.finfo(value.dtype).eps
    if confirm and np.any(wrong) and check.function.room(QUOTIENTS):
        real = check.quotients(direction)
        check.confirmed += 1
        if not agrees(value, real, direction.size(check.claimed)):
            check.disprove()
            return check.judge(direction, real)
        # Where quotients cannot tell both apart, only a difference far beyond rounding counts.
        blurred = np.abs(real.value - claimed) <= ALLOWED * real.error + tolerance
        wrong &= ~blurred | (np.abs(value - claimed) > CLEARLY * tolerance)
    steep = np.abs(value)
    still = steep <= eps * np.abs(check.function.value)
    if np.any(still):
        steep = np.where(still, check.function.natural_spread(), steep)
    none, unknown = np.zeros(wrong.shape, bool), np.full(wrong.shape, np.nan)
    error = _ROUNDED * eps * np.abs(value)
    return Comparison(
        direction, value, claimed, tolerance, error, wrong, none, none, steep > 0, steep, unknown, unknown
    )


@dataclass(frozen=True)
class View:
    """The comparison along a direction so far, with its slope and steps.

    vague (m,): where the tolerance is so wide that a wrong claim would not show.
    """

    comparison: Comparison
    slope: Slope
    ladder: Ladder
    vague: Array

    def left_open(self, where: Array, reason: str) -> View:
        """This view, in which nothing can be said at `where` (m,)."""
        return replace(self, comparison=self.comparison.left_open(where, reason))

    def judged(self, check: DirectionalCheck, slope: Slope, ladder: Ladder) -> View:
        """This view, with the claim beside another slope."""
        return replace(self, comparison=check.judge(ladder.direction, slope), slope=slope, ladder=ladder)


def examine(check: DirectionalCheck, comparison: Comparison, slope: Slope, ladder: Ladder) -> Comparison:
    """Compare again what seems wrong, open or vague: look after look, each with the result of the one before."""
    size = comparison.direction.size(check.claimed)
    vague = (comparison.tolerance > check.blurred / 2 * size) & (comparison.tolerance < _VAGUE * size)
    view = View(comparison, slope, ladder, vague)
    for look in (_off_stairs, _between_steps):
        view = look(check, view)
    if (view.comparison.clean and not np.any(view.vague)) or _is_plain_corner(check, view):
        return view.comparison
    for look in (_along_a_step, _too_flat_on_stairs, _at_its_own_scale, _may_be_narrower, _at_kink):
        view = look(check, view)
    return view.comparison


def _off_stairs(check: DirectionalCheck, view: View) -> View:
    """Where small steps do not move a function on stairs, take its slope from the steps that do."""
    flat = (view.slope.value == 0) & view.slope.moves
    if not np.any(flat) or not (check.on_coarse_stairs or _is_on_stairs(check, view.ladder)):
        return view
    ladder = view.ladder.off_stairs()
    view = view.judged(check, ladder.slope(), ladder)
    return view.left_open(flat & (view.slope.value == 0), _ON_STAIRS)


def _is_on_stairs(check: DirectionalCheck, ladder: Ladder) -> bool:
    """Whether small steps do not move the function, here and at places to which longer steps have moved it."""
    f, x, direction = check.function.value, check.function.point, ladder.direction
    smallest, _, *values = ladder.rungs[-1]
    moved = [side * one.step for one in ladder.rungs for side, end in one.ends.items() if np.any(end != f)]
    still = all(np.array_equal(value, f) for value in values)
    if not still or not moved or not check.function.room(2 * _STAIRS):
        return False
    same = 0
    for step in sorted(moved, key=abs)[-_STAIRS:]:
        there, beside = (check.function.at(direction.moved(x, by)) for by in (step, step + smallest / 4))
        same += np.array_equal(there, beside)
    return same >= _STAIRS - 1


def _between_steps(check: DirectionalCheck, view: View) -> View:
    """Where the function is flatter than the claim, take other steps: a period may hide from steps by four."""
    seen, last = view.comparison, view.ladder.rungs[-1]
    flatter = np.abs(seen.value) < _FLATTER * np.abs(seen.claimed)
    if not np.any(seen.wrong & ~seen.kink & flatter):
        return view
    between = check.ladder(seen.direction, UNEVEN * last.step)
    if not between.down():
        return view
    new = between.rungs[0]
    noise = CLEARLY * np.asarray(view.ladder.noise) / new.wide
    slack = 2 * np.abs(last.quotient - view.slope.value) + CLEARLY * view.slope.error + noise
    if not np.any(np.abs(new.quotient - view.slope.value) > slack):
        return view
    ladder = check.ladder(seen.direction, UNEVEN * last.step)
    return view.judged(check, check.measured(ladder, True), ladder)


def _is_plain_corner(check: DirectionalCheck, view: View) -> bool:
    """Whether the claim lies between the slopes of a corner, and is one of them on either side of it."""
    comparison, slope, direction = view.comparison, view.slope, view.comparison.direction
    at_corner = comparison.kink & ~comparison.open & slope.corner
    elsewhere = (comparison.kink | comparison.wrong) & ~at_corner
    if len(direction.where) > 1 or not np.any(at_corner) or np.any(elsewhere):
        return False
    claims = check.claims_along(direction)
    if claims is None:
        return False
    slack = _BESIDE * (np.abs(slope.left) + np.abs(slope.right))
    up = (check.sides[:, direction.where[0]] > 0)[:, None]
    expected = np.where(up, slope.right, slope.left)
    return bool(np.all((np.abs(claims - expected) <= slack) | ~at_corner))


def _along_a_step(check: DirectionalCheck, view: View) -> View:
    """Ask the claim elsewhere on a step about kinks that quotients cannot see through."""
    comparison = view.comparison
    if check.on_coarse_stairs:  # a claim between two stairs is not the slope of either
        return view
    most_in_vain = _IN_VAIN_IF_NOISY if check.noisy else _IN_VAIN
    in_vain = np.all(comparison.wrong) and check.in_vain >= most_in_vain
    if check.rows_at is None or check.integrals < 1 or in_vain:
        return view
    if np.all(comparison.kink & ~comparison.open & ~comparison.wrong):  # at a corner, and between its slopes
        if check.corner_integrals < 1:
            return view
        check.corner_integrals -= 1
    seen = _with_integral(check, view, far=False)
    if np.any(seen.wrong):  # a long step sees past noise that was taken for less than it is
        farther = _with_integral(check, view, far=True)
        seen = seen if np.any(farther.wrong | farther.open) else farther
    if np.any(comparison.wrong):
        check.in_vain = check.in_vain + 1 if np.array_equal(seen.wrong, comparison.wrong) else 0
    return replace(view, comparison=seen)


def _with_integral(check: DirectionalCheck, view: View, *, far: bool) -> Comparison:
    """The comparison with one line integral, along the smallest step that can be used, or the longest."""
    check.integrals -= 1
    comparison, slope = view.comparison, view.slope
    size = np.maximum(np.abs(comparison.claimed), np.abs(slope.value))
    least = _PIECE * check.rows_eps
    found = line_integral(view.ladder, comparison.claimed, size, check.rows, least=least, far=far)
    if found is None:
        return comparison
    tolerance = check.tolerance(comparison.direction, found.quotient, found.mean)
    return compare_with_integral(comparison, slope, found, tolerance, view.vague, check.noisy)


def _too_flat_on_stairs(check: DirectionalCheck, view: View) -> View:
    """Leave open what is far flatter than its claim on coarse stairs: narrower than a stair, or wrong."""
    if not check.on_coarse_stairs:
        return view
    flat = np.abs(view.slope.value) < _TOO_FLAT * np.abs(view.comparison.claimed)
    return view.left_open(view.comparison.wrong & flat, _ON_STAIRS)


def _at_its_own_scale(check: DirectionalCheck, view: View) -> View:
    """Leave open where quotients of shorter steps are nearer to the claim than to the slope found.

    Noise that was measured on longer steps may be a narrow structure. A claim that large would show above the
    values' rounding at much smaller steps.
    """
    comparison, ladder = view.comparison, view.ladder
    wrong, claimed, value = comparison.wrong, comparison.claimed, comparison.value
    if not np.any(wrong) or not (check.noisy or ladder.rungs[0].step > check.first):
        return view
    floor = _SMALLEST * check.function.eps * np.abs(check.function.value)
    fits, level = np.zeros(wrong.shape, int), 0
    while np.any((fits < 2) & wrong):
        smaller = check.noisy and np.any(wrong & (np.abs(claimed) * ladder.rungs[-1].step > floor))
        if level == len(ladder.rungs) and not (smaller and ladder.down()):
            break
        rung = ladder.rungs[level]
        near = np.abs(rung.quotient - claimed) <= np.abs(rung.quotient - value) / _NEARER
        apart = np.abs(value - claimed) * rung.wide
        near &= (rung.plus != rung.minus) & (np.asarray(ladder.noise) <= CLEARLY * apart)
        fits = np.where(near, fits + 1, np.where(fits < 2, 0, fits))
        level += 1
    return view.left_open(wrong & (fits >= 2), _TOO_NARROW)


def _may_be_narrower(check: DirectionalCheck, view: View) -> View:
    """Leave open where the function seems flat, and the noise would hide a structure with the claimed slope.

    Not where the claim is about the same beside the point: that of such a structure would change, too.
    """
    comparison = view.comparison
    claimed = np.abs(comparison.claimed)
    flat = comparison.wrong & ~comparison.kink & (np.abs(comparison.value) < _FLAT * claimed)
    hidden = flat & (CLEARLY * np.asarray(view.ladder.noise) > _NARROWEST * claimed)
    along = check.claims_along(comparison.direction) if np.any(hidden) else None
    if along is not None:
        hidden &= np.ptp(along, axis=0) > claimed / 2
    return view.left_open(hidden, _TOO_NARROW)


def _at_kink(check: DirectionalCheck, view: View) -> View:
    """Where the claim is not between the slopes of a corner, ask for the claim at points beside it."""
    comparison = view.comparison
    if check.on_coarse_stairs or not np.any(comparison.open & view.slope.corner):
        return view
    beside = check.claims_along(comparison.direction)
    return replace(view, comparison=compare_at_kink(comparison, view.slope, beside))

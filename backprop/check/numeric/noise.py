"""Noise: how far rounding moves a function's values, and how far it moves the entries of a gradient.

The noise of the function follows from the differences of a few values close together:

    σ² = (4!)² / 8! · (Δ⁴ f)²

In fourth differences the smooth part of f(x + jδv), j = 1 … 11, vanishes and the noise is left (Moré and Wild 2011,
Estimating computational noise, SIAM J. Sci. Comput. 33(3), 1292-1314). Their median is taken, which one kink among
the points does not change; and all points lie on one side of x, so that no kink at x itself lies between them.
"""

from __future__ import annotations

import math

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import BFLOAT, HALF, SINGLE, round_to
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import UNEVEN, random_signs
from backprop.check.numeric.quotients import FINEST
from backprop.check.oracle import FunctionOracle

_POINTS, _ORDER = 11, 4
"""Points on a line and the order of the differences of their values; the authors advise 6 to 8 points, or more."""
_GAMMA = math.factorial(_ORDER) ** 2 / math.factorial(2 * _ORDER)
_MEDIAN = 0.6745
"""The median of the absolute value of a normal variable, in units of its standard deviation."""
_STEPS, _NEAREST = (0.25, 0.4), (0.6, 0.8, 0.9)
"""The steps, as powers of eps: two that are always taken where needed, and those for fast functions."""

# The numbers below are not derived: the campaign of tests/planted/functions holds with them.
_SAFETY = 3.0
"""Times the standard deviation: nearly all noise is smaller."""
_QUIET = 30.0
"""Roundings of the values: noise of no more is that of an ordinary computation."""
_FALLS = 30.0
"""Noise is the same for all steps: what falls by more than this with a smaller step is a fast function."""
_FAR = 1e3
"""Times the value at the point: values that are larger tell of another place."""
_FEW = 8
"""Of so few entries that move, equal steps may all be rounded alike."""
_DISTINCT = 9
"""Of 11 values: fewer lie on stairs, whose differences tell nothing."""
_LOOK = 5
"""Calls of `_rounds`, which is asked at two places at least."""
_UNKNOWN = 10.0
"""Roundings of the values: taken for the noise where no values tell it."""
_ASIDE = 2.0**-9
"""A point beside this one, where no entry that moves is 0, nor the function on either side of an edge."""


def noise(function: FunctionOracle, direction: Array) -> Array:
    """The size (m,) of the noise near the point, at least eps · |f|.

    Steps of eps^(1/4) see intermediates of lower precision, too. Where they see more than rounding, steps of
    eps^(2/5) tell noise from kinks, which they meet less often. Where these see more than rounding as well, the
    function may change fast: smaller steps tell, as long as they see less, unless the function rounds its input so
    coarsely that it does not see them.
    """
    eps = function.eps
    step = eps ** _STEPS[0]
    function.coarse = _is_coarse(function, direction)
    rays = [_values(function, direction, step)]
    # Of a few numbers, equal steps may all be rounded alike.
    if np.count_nonzero(direction) <= _FEW and function.budget.is_roomy and not function.coarse:
        rays += [_values(function, direction, factor * step) for factor in (-UNEVEN, 8 * UNEVEN**2)]
    floor = _floor(function, rays[0])
    found = np.fmax(np.fmax.reduce([deviation(values) for values in rays]), floor)
    with np.errstate(all="ignore"):
        # Elsewhere the function is larger than at the point.
        near = (floor <= _FAR * _floor(function, function.value[None])) | (function.value == 0)
    if np.all((found <= _QUIET * floor) & near):
        return np.asarray(_SAFETY * found)
    nearer = [_values(function, direction, factor * eps ** _STEPS[1]) for factor in (1, UNEVEN)]
    floor = np.fmin(floor, _floor(function, nearer[0]))  # the function may be larger farther away
    # In values on a grid, steps of a whole number of it show no noise: of two sizes, one will.
    found = np.fmin(found, np.fmax(floor, np.fmax(*map(deviation, nearer))))
    for step in _NEAREST:
        loud = found > _QUIET * floor
        if not np.any(loud) or function.coarse or not function.room(4 * _POINTS):
            break
        before, values = found, _values(function, direction, eps**step)
        floor = np.fmin(floor, _floor(function, values))
        distinct = np.array([len(np.unique(column)) for column in values.T]) >= _DISTINCT
        found = np.where(loud & distinct, np.fmin(found, np.fmax(deviation(values), floor)), found)
        if np.all(found > before / _FALLS):  # noise is the same for all steps
            break
    return np.asarray(_SAFETY * np.where(np.isfinite(found), found, _UNKNOWN * floor))


def _values(function: FunctionOracle, direction: Array, step: float) -> Array:
    """The values (11, m) on one side of the point; on the other, where the function has none on the first.

    Of a function that rounds what it is given, the points are those of its format: their rounding is no noise.
    """
    start = function.at_format(function.point)
    for side in (direction, -direction, np.abs(direction), -np.abs(direction)):
        move = UNEVEN * step * side
        if function.coarse:
            grid = function.coarse * 2.0 ** np.floor(np.log2(np.where(start == 0, 1, np.abs(start))))
            whole = np.maximum(np.round(np.abs(move) / grid), 1)
            move = np.where(start == 0, function.at_format(move), np.sign(move) * whole * grid)
        values = np.array([function.at(start + j * move) for j in range(1, _POINTS + 1)])
        if np.all(np.isfinite(values)) or not function.room(4 * _POINTS):
            break
    return values


def deviation(values: Array) -> Array:
    """σ (m,), NaN where there are no values."""
    differences = np.abs(np.diff(values, n=_ORDER, axis=0))
    return np.asarray(np.median(differences, axis=0) / _MEDIAN * math.sqrt(_GAMMA))


def _floor(function: FunctionOracle, values: Array) -> Array:
    """Rounding of the values (m,): float32's eps if they are float32, or exactly representable in it."""
    seen = np.concatenate([function.value[None], np.nan_to_num(values)])
    with np.errstate(all="ignore"):
        single = np.all(seen.astype(np.float32) == seen, axis=0) & (np.ptp(seen, axis=0) > 0)
    eps = max(function.eps, function.given)
    return np.asarray(np.where(single, max(eps, SINGLE.eps), eps) * np.max(np.abs(seen), axis=0))


def _is_coarse(function: FunctionOracle, direction: Array) -> float:
    """The eps of the narrowest format to which the function rounds what it is given; 0 where it rounds to none.

    The function gives the same for a point of numbers of the format and for one less than half a rounding beside it.
    This counts only where the difference would have shown: by how much the function moves for a larger one.
    """
    found = 0.0
    for bits in (SINGLE.bits, BFLOAT.bits, HALF.bits):
        unseen = 2.0 ** (-bits - 2)
        if function.eps > unseen:
            continue
        if not function.room(2 * _LOOK):
            break
        rounds, may_be_coarser = _rounds(function, function.point, bits)
        for aside in (_ASIDE, -_ASIDE):
            if not rounds and may_be_coarser:
                rounds, may_be_coarser = _rounds(function, function.point + aside * direction, bits)
        if rounds and (
            bits == SINGLE.bits or _rounds(function, function.point - 2 * _ASIDE * direction, bits)[0]
        ):
            found = 2.0 ** (1 - bits)
            if bits < SINGLE.bits:
                break
        elif bits == SINGLE.bits and not may_be_coarser:
            break
    return found


def _rounds(function: FunctionOracle, beside: Array, bits: int) -> tuple[bool, bool]:
    """Whether the function rounds the numbers of `beside` to a format of so many bits.

    And whether it may do so to a coarser one: it does not see the roundings of this one.
    """
    unseen = 2.0 ** (-bits - 2)
    beside = round_to(beside, bits)
    if not np.all(np.isfinite(beside)):
        return False, False
    ulp = 2.0 ** (1 - bits)
    at, near = function.at(beside), function.at(beside * (1 + unseen))
    same = near == at
    if not np.any(same):
        return False, False
    farther = [function.at(beside * (1 + k * ulp)) for k in (1, 2, 3)]
    # Each number of the format gives another value; on a level beside an edge, or of a rounded result, none does.
    values = np.sort([at, *farther], axis=0)
    distinct = np.all(np.diff(values, axis=0) > 4 * function.eps * np.abs(at), axis=0) & (at != 0)
    return bool(np.any(distinct)) and bool(np.all(same[distinct])), bool(np.all(same))


# Cancellation: how far rounding moves a gradient's entries, measured by the gradient at other points.
#
# A gradient's own rounding errors are no mistake. At points that differ from the checked one by a few roundings of
# their entries, a stable computation changes by as much as rounding moves it. Entries that are small differences of
# larger numbers, such as p - t, are off by more: by the rounding of those numbers.

_ROUNDINGS, _SAMPLES = 4.0, 2
"""How many roundings away the points lie, so that half of these make their change; and how many are tried."""
_SHORT_WAY = 1e-3
"""A share of the scale: over so short a way a right gradient changes evenly."""
_EVENLY = 100.0
"""Times what an even change makes of one rounding of the point: a larger change is a jump at a kink."""
_LOST = 1 / 32
"""Of a rounding of the largest value: an entry of 0 whose digits have cancelled may be off by as much."""
_LINE, _ON_A_LINE = 1e-4, 16
"""The steps of a line on which the claim's noise is measured, as a share of the scale, and their number."""
_TOWARDS_ZERO = (0.75, 0.98)
"""Shares of the way to zero at which the claim's size elsewhere is taken; a third point is random."""


_SUMMED = 256
"""How many roundings the order of a long sum may add up to."""
_COARSEST = 2.0**-8
"""Four roundings of float16: the most that the sums of a gradient in this or a narrower dtype may add."""


def relative_tolerance(eps: float, most: float = _COARSEST) -> float:
    """The error that the order of its sums alone may leave in a right gradient, relative to an entry."""
    return min(max(FINEST, _SUMMED * eps), max(most, eps))


def measure_rounding(check: DirectionalCheck) -> Array:
    """Measure how far (m, p) rounding moves each entry: near the point, and where larger numbers cancel."""
    return np.maximum(_near(check), _cancelled(check))


def _near(check: DirectionalCheck) -> Array:
    """Measure how far (m, p) the claims differ at points that are a few roundings apart.

    Both points lie on the same side of this one, and so on the same side of a kink at it. Where a kink lies between
    them the claim jumps. So an entry's rounding is capped: at √eps of the largest entry of its tensor, or at what an
    even change over a thousandth of the point makes of it if that is more. There is no cap for a tensor that is no
    larger than the rounding of the others, such as the bias before a batch normalisation.
    """
    point, eps, claimed = check.function.point, check.rows_eps, np.abs(np.nan_to_num(check.claimed))
    least = eps * claimed

    def change(by: Array) -> Array:
        side = by * random_signs(len(point), check.rng)
        near, far = (check.rows(point + factor * side) for factor in (1, 2))
        return np.zeros_like(least) if near is None or far is None else np.abs(np.nan_to_num(far - near))

    near = [change(_ROUNDINGS * eps * check.scales.own) / (_ROUNDINGS / 2) for _ in range(_SAMPLES)]
    level = np.asarray(np.maximum(least, np.max(near, axis=0)))
    far = change(check.reach * _SHORT_WAY * check.scales.own)
    dust = _SUMMED * eps * np.max(claimed * check.scales.own, axis=1, initial=0)
    for where in check.function.structure.places.values():
        if len(where):
            # All of it may be rounding, in every entry alike.
            if np.all(check.largest[:, where[0]] <= dust):
                level[:, where] = np.max(level[:, where], axis=1, keepdims=True)
                continue
            even = _EVENLY * eps / _SHORT_WAY * np.max(far[:, where])
            most = max(np.sqrt(eps) * np.max(claimed[:, where]), even)
            level[:, where] = np.minimum(level[:, where], np.maximum(most, least[:, where]))
    return np.where(level > 2 * least, level, 0)  # the relative tolerance covers a single rounding


def _cancelled(check: DirectionalCheck) -> Array:
    """Estimate how far (m, p) rounding moves entries that are small differences of larger numbers.

    The estimate is the entry's noise along a line, but no more than the rounding of its largest value on the way from
    the point to zero: larger noise is not this dtype's rounding. An entry of 0 may have lost all its digits.
    """
    point, eps, size = check.function.point, check.rows_eps, np.abs(np.nan_to_num(check.claimed))
    for shrunk in (*_TOWARDS_ZERO, check.rng.uniform(0.0, 0.9, len(point))):
        rows = check.rows(point * (1 - check.reach * shrunk))
        if rows is not None:
            size = np.maximum(size, np.abs(np.nan_to_num(rows)))
    steps = [j * check.reach * _LINE * check.scales.own for j in range(1, _ON_A_LINE + 1)]
    line = [check.rows(point + step) for step in steps]
    seen = [rows for rows in line if rows is not None]
    level = deviation(np.nan_to_num(seen)) if len(seen) == _ON_A_LINE else np.zeros_like(size)
    lost = check.claimed == 0
    return np.asarray(np.where(lost, _LOST * eps * size, np.minimum(level, 2 * eps * size)))

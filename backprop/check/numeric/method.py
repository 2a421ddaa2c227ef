"""Setting: how slopes are to be found near a point: the dtype, the noise and the rounding there, and the steps.

In the order of this file: how far rounding moves a gradient; the step curve along one direction; the choice itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import BLURRED, DirectionalCheck
from backprop.check.numeric.noise import ROOMY, noise
from backprop.check.numeric.slopes import (
    FIRST_STEP,
    RATIO,
    Direction,
    Ladder,
    Slope,
    agrees,
    complex_slope,
    random_direction,
    scales,
)
from backprop.check.numeric.verdict import TensorVerdict
from backprop.check.oracle import Claims, FunctionOracle, GradientOracle
from backprop.check.points import Structure
from backprop.check.result import StepCurve

# Cancellation: how far rounding moves a gradient's entries, seen from the gradient at other points.
#
# A gradient's own rounding errors are no mistake. At points that differ from the one that is checked by a few
# roundings of their entries, a stable computation is off by as much. Entries that are small differences of larger
# numbers, such as p - y, are off by more: by the rounding of those.

_ROUNDINGS = 4.0
_SAMPLES = 2
_FAR = 1e-3
_LINE, _POINTS = 1e-4, 16


@dataclass(frozen=True)
class Surroundings:
    """A gradient that can be asked near a point (p,), and its claims there.

    scale (p,): of the entries. eps: of the dtype in which the gradient computes. reach: the size of the function's
    structure, beside that of the point, at most 1.
    """

    gradient: GradientOracle
    claims: Claims
    point: Array
    scale: Array
    eps: float
    rng: np.random.Generator
    reach: float


def measure_rounding(at: Surroundings) -> Array:
    """How far (m, p) rounding moves each entry: near the point, and as a small difference of larger numbers."""
    return np.maximum(_near(at), _cancelled(at))


def _near(at: Surroundings) -> Array:
    """How far (m, p) rounding moves each entry: by as much as the claims differ at points a few roundings apart.

    Both points lie on the same side of this one, and so on the same side of a kink at it. Where a kink lies between
    them the claim jumps: no entry is given more than √eps of the largest one of its tensor, or than what a change
    that goes on evenly for a thousandth of the point makes of it.
    """
    least = at.eps * np.abs(np.nan_to_num(at.claims.rows))

    def change(by: Array) -> Array:
        side = by * at.rng.choice((-1.0, 1.0), len(at.point))
        near, far = (at.gradient.rows((at.point + factor * side).astype(at.point.dtype)) for factor in (1, 2))
        return np.zeros_like(least) if near is None or far is None else np.abs(np.nan_to_num(far - near))

    near = [change(_ROUNDINGS * at.eps * at.scale) / (_ROUNDINGS / 2) for _ in range(_SAMPLES)]
    level = np.asarray(np.maximum(least, np.max(near, axis=0)))
    far = change(at.reach * _FAR * at.scale)
    for places in at.gradient.structure.views(np.arange(len(at.point))).values():
        where = places.reshape(-1)
        if len(where):
            largest = np.max(np.abs(np.nan_to_num(at.claims.rows[:, where])))
            most = max(np.sqrt(at.eps) * largest, 100 * at.eps / _FAR * np.max(far[:, where]))
            level[:, where] = np.minimum(level[:, where], np.maximum(most, least[:, where]))
    return np.where(level > 2 * least, level, 0)  # a single rounding is in the relative tolerance


def _cancelled(at: Surroundings) -> Array:
    """How far (m, p) rounding moves entries that are small differences of larger numbers.

    Their noise along a line, where it is no more than what rounding makes of the entry elsewhere, on the way from
    the point to zero. Noise of another size is none of this dtype's. An entry of 0 may have lost all its digits.
    """
    size = np.abs(np.nan_to_num(at.claims.rows))
    for shrunk in (0.75, 0.98, at.rng.uniform(0.0, 0.9, len(at.point))):
        rows = at.gradient.rows((at.point * (1 - at.reach * shrunk)).astype(at.point.dtype))
        if rows is not None:
            size = np.maximum(size, np.abs(np.nan_to_num(rows)))
    line = [at.gradient.rows(at.point + j * at.reach * _LINE * at.scale) for j in range(1, _POINTS + 1)]
    seen = [rows for rows in line if rows is not None]
    level = _noise(np.array(seen)) if len(seen) == _POINTS else np.zeros_like(size)
    lost = at.claims.rows == 0
    return np.asarray(
        np.minimum(np.where(lost, np.inf, level), np.where(lost, at.eps / 32, 2 * at.eps) * size)
    )


def _noise(rows: Array) -> Array:
    """The noise of rows (k, m, p) along a line: the median of fourth differences, which a jump does not move."""
    differences = np.abs(np.diff(np.nan_to_num(rows), n=4, axis=0))
    return np.asarray(np.median(differences, axis=0) / 0.6745 * np.sqrt(576 / 40320))


# Curves along one random direction: error against step, and the remainder of Taylor's theorem.
#
# error |D(h) - g·v| / |g·v| a V for a right gradient, a level for a wrong one remainder |f(x + hv) - f(x) - h
# g·v| = O(h²) for a right gradient; O(h) for a wrong one

LEVELS = 11
_SMALLEST = 3  # steps, at which noise is nearly all that is seen
_ALIKE = 8.0  # what truncation would make of three steps falls by more than this
_RESOLVED = (
    0.05  # of the slope: a central quotient so near to it comes from a step inside the function's structure
)


@dataclass(frozen=True)
class Curve:
    """What steps along one direction show. slope: the limit of the quotients. reading: the claim beside it."""

    direction: Direction
    slope: Slope
    comparison: Comparison
    steps: StepCurve
    taylor_slope: float | None

    @property
    def still(self) -> bool:
        """Whether no step shows that the function moves, beyond its noise, and the claim says nothing else."""
        comparison = self.comparison
        return (
            not np.any(comparison.moves)
            and not np.any(comparison.wrong)
            and bool(np.all(np.isfinite(comparison.value)))
        )


def curve(check: DirectionalCheck, direction: Direction, levels: int = LEVELS) -> Curve | None:
    """Take many steps along `direction`, `levels` of them; None where none could be taken.

    The largest of them that is inside the function's structure is where later steps begin.
    """
    ladder = check.ladder(direction)
    while len(ladder.steps) < levels and ladder.down():
        pass
    if not ladder.steps:
        return None
    claimed, f = direction.along(check.claimed), check.function.value
    h = np.asarray(ladder.wide)[:, None]
    plus, minus = np.array(ladder.plus), np.array(ladder.minus)
    slope = ladder.slope()
    with np.errstate(all="ignore"):
        quotients = (plus - minus) / (2 * h)
        off = (np.abs(quotients - slope.value) * h)[-_SMALLEST:]
        seen = 3 * np.min(off, axis=0)
        noisier = (seen > check.noise) & (np.max(off, axis=0) < _ALIKE * np.min(off, axis=0))
        if (
            np.any(noisier) and len(ladder.steps) > 2 * _SMALLEST
        ):  # the smallest steps show more than was measured
            check.noise = np.where(noisier, seen, check.noise)
            ladder.noise = np.maximum(ladder.noise, check.noise)
            slope = ladder.slope()
        scale = max(_norm(claimed), _norm(slope.value)) or 1.0
        errors = [_norm(quotient - claimed) / scale for quotient in quotients]
        remainders = np.array([_norm(one - f - step * claimed) for one, step in zip(plus, h, strict=True)])
    kept = [k for k, error in enumerate(errors) if np.isfinite(error)]
    steps = StepCurve(tuple(ladder.wide[k] for k in kept), tuple(errors[k] for k in kept))
    wide = np.asarray(ladder.wide)
    with np.errstate(all="ignore"):
        check.first = ladder.first = _first(ladder, quotients, (plus - 2 * f + minus) / h, slope)
    slope = ladder.slope()
    comparison = check.examine(check.judge(direction, slope), slope, ladder)
    rounding = 3 * _norm(comparison.tolerance) * wide  # of the gradient: what a right one may leave
    floor = np.maximum(30 * _norm(np.asarray(ladder.noise)), rounding)
    return Curve(direction, slope, comparison, steps, _order(wide, remainders, floor))


def _first(ladder: Ladder, quotients: Array, gaps: Array, slope: Slope) -> float:
    """The largest step that is inside the function's structure, by every output.

    There the central quotient (k, m) is near the slope, and the gap (k, m) between the quotients of both sides falls
    with the step, by four from one to the next.
    """
    noise = np.asarray(ladder.noise) / np.asarray(ladder.wide)[:, None]
    size = np.maximum(np.abs(slope.value), np.abs(gaps))
    far = ~(np.abs(quotients - slope.value) <= np.maximum(_RESOLVED * size, 3 * (slope.error + noise)))
    fall = np.abs(gaps[:-1] / gaps[1:])
    even = (np.abs(gaps) > np.maximum(_RESOLVED * np.abs(slope.value), 10 * noise))[1:]
    far[:-1] |= even & ((fall < RATIO / 2) | (fall > 2 * RATIO))
    far &= slope.settled & ~slope.kink
    k = next((k for k in range(len(far)) if not np.any(far[k])), 0)
    return min(ladder.steps[k], FIRST_STEP)


def _order(steps: Array, remainders: Array, floor: Array) -> float | None:
    """The slope in logarithms over the four smallest steps whose remainder is above the noise."""
    seen = np.flatnonzero(np.isfinite(remainders) & (remainders > np.maximum(floor, 1e-300)))[-4:]
    if len(seen) < 3:
        return None
    fit = np.polyfit(np.log(steps[seen].astype(float)), np.log(remainders[seen].astype(float)), 1)
    return float(fit[0])


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))


# Setting: in which dtype a function is evaluated, how noisy it is, and whether it takes complex steps.
#
# A float32 function that follows the dtype of what it is given is evaluated in float64, where difference
# quotients see eight digits more. One that does not is evaluated as it is, and the noise in its values says what
# can be seen.

_FINEST = 1e-9
_SUMMED = 256  # roundings that the order of long sums may add up to
_COARSEST = 2.0**-8  # four roundings of float16
_FEW_LEVELS = 6
_HUGE, _SHRUNK = 1e280, 2.0**-24  # values whose slope for a step of the point's scale would overflow


def relative_tolerance(eps: float) -> float:
    """What a right gradient may be off by the order of its sums alone, relative to an entry."""
    return min(max(_FINEST, _SUMMED * eps), max(_COARSEST, eps))


def widen(function: FunctionOracle) -> bool:
    """Evaluate in the wide dtype from now on where the function takes it and gives the same value."""
    structure = function.structure
    if all(leaf.dtype == structure.dtype for leaf in structure.leaves):
        return False
    own, function.dtype = function.dtype, structure.dtype
    value = function.at(function.point)
    slack = 1e3 * float(np.finfo(structure.own_dtype).eps)
    if np.all(np.abs(value - function.value) <= slack * np.maximum(np.abs(function.value), np.abs(value))):
        function.value = value
        return True
    function.dtype = own
    return False


@dataclass(frozen=True)
class Accuracy:
    """What a right gradient may be off: relative (p,), to each entry; slack (m, p), beside that, absolute.

    blurred: how well the truth need be known, relative to a tensor of the gradient.
    """

    relative: Array
    slack: Array
    blurred: float


def accuracy_of(
    structure: Structure, claims: Claims, dtypes: Mapping[str, DType], rtol: float | None, *, wide: bool
) -> Accuracy:
    """By the dtype of the claims, or by the accuracy `rtol` that was asked for.

    wide: whether the claims were computed in the wide dtype of the form; else in the narrowest one of the point and
    of the answer. rtol is relative to an entry or to the root mean square of its tensor, whichever is larger.
    """
    own = float(np.finfo(structure.own_dtype).eps)
    relative = np.full(structure.size, _FINEST if wide else relative_tolerance(own))
    slack = np.zeros(claims.rows.shape)
    for name, places in structure.views(np.arange(structure.size)).items():
        where = places.reshape(-1)
        dtype = dtypes.get(name)
        eps = own
        if dtype is not None and dtype.kind == "f":
            eps = max(own, float(np.finfo(dtype).eps))
            relative[where] = _FINEST if wide else relative_tolerance(eps)
            slack[:, where] = 0 if wide else float(np.finfo(dtype).smallest_subnormal)  # no number is nearer
        if rtol is not None:
            relative[where] = max(rtol, 0.0 if wide else eps)
            rows = np.nan_to_num(claims.rows[:, where])
            slack[:, where] += rtol * np.sqrt(np.mean(rows**2, axis=1, keepdims=True)) if len(where) else 0
    return Accuracy(relative, slack, max(BLURRED, 3 * (rtol or 0)))


def choose_method(
    function: FunctionOracle,
    claims: Claims,
    gradient: GradientOracle | None,
    accuracy: Accuracy,
    rng: np.random.Generator,
) -> tuple[DirectionalCheck, Curve | None]:
    """How slopes are found from here on, and the step curve along one direction through all tensors."""
    structure, point = function.structure, function.point
    scale = scales(structure, point, _SHRUNK if float(np.max(np.abs(function.value))) > _HUGE else 1.0)
    own = scale.own
    eps = float(
        np.finfo(structure.own_dtype if gradient is None or not gradient.wide else structure.dtype).eps
    )
    value = np.abs(function.value)[:, None] / own  # what moves the value by less than its rounding is zero
    level = np.where(claims.rows == 0, eps / 512 * value, 0)
    places = structure.views(np.arange(structure.size))
    where = np.concatenate([places[name].reshape(-1) for name in claims.names])
    direction = random_direction(where, own, rng)
    seen = noise(function, direction.dense(structure.size))
    relative = accuracy.relative
    if function.coarse:  # the slopes are those at a rounded point
        relative = np.maximum(relative, relative_tolerance(function.coarse))
    check = DirectionalCheck(
        function, claims.rows, level, relative, accuracy.slack, scale, seen, accuracy.blurred
    )
    if gradient is not None:
        check.rows_at, check.rows_eps = gradient.rows, eps
        check.refine = lambda reach: measure_rounding(
            Surroundings(gradient, claims, point, own, eps, rng, reach)
        )
    steps = curve(check, direction, LEVELS if function.budget.limit >= ROOMY else _FEW_LEVELS)
    if steps is not None:
        slope = complex_slope(function, direction)
        check.complex = agrees(slope, steps.slope, direction.size(claims.rows))
    return check, steps


def without_kinks(
    check: DirectionalCheck,
    steps: Curve,
    verdicts: list[TensorVerdict],
    structure: Structure,
    claims: Claims,
    rng: np.random.Generator,
) -> Curve:
    """The step curve along a direction in which no entry moves that was found to be at a kink."""
    free = np.zeros(structure.size, bool)
    views = structure.views(free)
    for name in claims.names:
        views[name][...] = True
    for kink in (kink for each in verdicts for kink in each.kinks):
        views[kink.tensor][kink.index] = False
    where = np.flatnonzero(free)
    if not len(where) or len(where) == structure.size or not check.function.room(2 * LEVELS):
        return steps
    return curve(check, random_direction(where, check.scales.own, rng)) or steps

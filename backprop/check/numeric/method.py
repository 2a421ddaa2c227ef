"""Method: how slopes are to be found near a point: the dtype, the noise and the rounding there, and the steps.

In the order of this file: how far rounding moves a gradient; the step curve along one direction; the choice itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import BLURRED, DirectionalCheck
from backprop.check.numeric.directions import (
    FIRST_STEP,
    RATIO,
    Direction,
    random_direction,
    scales,
)
from backprop.check.numeric.looks import examine
from backprop.check.numeric.noise import measure_rounding, noise, relative_tolerance
from backprop.check.numeric.quotients import ALLOWED, CLEARLY, TINY, Slope
from backprop.check.numeric.slopes import Ladder, agrees, complex_slope
from backprop.check.oracle import FunctionOracle, GradientOracle
from backprop.check.result import Kink, StepCurve
from backprop.verify.agreement import norm

# Curves along one random direction: error against step, and the remainder of Taylor's theorem.
#
#     error |D(h) - g·v| / |g·v|                          a V for a right gradient, a level for a wrong one
#     remainder |f(x + hv) - f(x) - h g·v|                O(h²) for a right gradient, O(h) for a wrong one

LEVELS, _FEW_LEVELS = 11, 6
"""Steps of the curve: eleven go down to a millionth of the first; six where there are few calls."""
_SMALLEST = 3
"""The smallest steps of the curve: noise is nearly all that they show."""
_ALIKE = RATIO**2 / 2
"""The errors that truncation makes at three steps differ by more than this factor; noise is alike at all."""
_RESOLVED = 0.05
"""Of the slope: a central quotient so near to it comes from a step inside the function's structure."""


@dataclass(frozen=True)
class Curve:
    """Many steps along one direction. slope: the limit of the quotients. comparison: the claim beside it."""

    direction: Direction
    slope: Slope
    comparison: Comparison
    steps: StepCurve
    taylor_slope: float | None

    @property
    def still(self) -> bool:
        """Whether no step shows that the function moves, beyond its noise, and the claim says nothing else."""
        finite = bool(np.all(np.isfinite(self.comparison.value)))
        return finite and not np.any(self.comparison.moves | self.comparison.wrong)


def curve(
    check: DirectionalCheck, direction: Direction, levels: int = LEVELS, exact: Array | None = None
) -> Curve | None:
    """Take many steps along `direction`, `levels` of them; None where none could be taken.

    The largest of them that is inside the function's structure is where later steps begin. exact (m,): the complex
    step along it; complex steps are trusted from now on where it is the slope that the quotients come to, and nothing
    needs a closer look then.
    """
    ladder = check.ladder(direction)
    if not ladder.down_to(levels):
        return None
    claimed, f = direction.along(check.claimed), check.function.value
    _, h, plus, minus = ladder.columns()
    wide = h[:, 0]
    slope = ladder.slope()
    with np.errstate(all="ignore"):
        quotients = (plus - minus) / (2 * h)
        off = (np.abs(quotients - slope.value) * h)[-_SMALLEST:]
        seen = ALLOWED * np.min(off, axis=0)
        noisier = (seen > check.noise) & (np.max(off, axis=0) < _ALIKE * np.min(off, axis=0))
        if np.any(noisier) and len(wide) > 2 * _SMALLEST:  # the smallest steps show more than was measured
            check.noise = np.where(noisier, seen, check.noise)
            ladder.noise = np.maximum(ladder.noise, check.noise)
            slope = ladder.slope()
        scale = max(norm(claimed), norm(slope.value)) or 1.0
        errors = [norm(quotient - claimed) / scale for quotient in quotients]
        remainders = np.array([norm(one - f - step * claimed) for one, step in zip(plus, h, strict=True)])
        check.first = ladder.first = _first(ladder, quotients, (plus - 2 * f + minus) / h, slope)
    kept = [k for k, error in enumerate(errors) if np.isfinite(error)]
    steps = StepCurve(tuple(float(wide[k]) for k in kept), tuple(errors[k] for k in kept))
    slope = ladder.slope()
    is_exact = agrees(exact, slope, direction.size(check.claimed))
    check.complex |= is_exact
    comparison = check.judge(direction, slope)
    if not is_exact:
        comparison = examine(check, comparison, slope, ladder)
    rounding = ALLOWED * norm(comparison.tolerance) * wide  # of the gradient: what a right one may leave
    floor = np.maximum(ALLOWED * CLEARLY * norm(np.asarray(ladder.noise)), rounding)
    return Curve(direction, slope, comparison, steps, _order(wide, remainders, floor))


def _first(ladder: Ladder, quotients: Array, gaps: Array, slope: Slope) -> float:
    """The largest step that is inside the function's structure, by every output.

    There the central quotient (k, m) is near the slope, and the gap (k, m) between the quotients of both sides falls
    with the step, by four from one to the next.
    """
    steps, h, _, _ = ladder.columns()
    noise = np.asarray(ladder.noise) / h
    size = np.maximum(np.abs(slope.value), np.abs(gaps))
    far = ~(np.abs(quotients - slope.value) <= np.maximum(_RESOLVED * size, ALLOWED * (slope.error + noise)))
    fall = np.abs(gaps[:-1] / gaps[1:])
    even = (np.abs(gaps) > np.maximum(_RESOLVED * np.abs(slope.value), CLEARLY * noise))[1:]
    far[:-1] |= even & ((fall < RATIO / 2) | (fall > 2 * RATIO))
    far &= slope.settled & ~slope.kink
    k = next((k for k in range(len(far)) if not np.any(far[k])), 0)
    return min(float(steps[k]), FIRST_STEP)


def _order(steps: Array, remainders: Array, floor: Array) -> float | None:
    """The slope in logarithms over the four smallest steps whose remainder is above the noise."""
    seen = np.flatnonzero(np.isfinite(remainders) & (remainders > np.maximum(floor, TINY)))[-4:]
    if len(seen) < 3:
        return None
    fit = np.polyfit(np.log(steps[seen].astype(float)), np.log(remainders[seen].astype(float)), 1)
    return float(fit[0])


# The choice: in which dtype a function is evaluated, how noisy it is, and whether it takes complex steps.
#
# A float32 function that follows the dtype of what it is given is evaluated in float64, where difference
# quotients see eight digits more. One that does not is evaluated as it is, and the noise in its values says what
# can be seen.

_SAME_VALUE = 1e3
"""Roundings of the narrow dtype that the value may change by where the function is evaluated in a wide one."""
_HUGE, _SHRUNK = 1e280, 2.0**-24
"""Above such values a slope for a step of the point's scale would overflow: the scale is shrunk."""


_LEAST = {float(np.finfo(form).eps): float(np.finfo(form).smallest_subnormal) for form in ("f2", "f4", "f8")}
"""The smallest number of the format that has this eps."""


def widen(function: FunctionOracle) -> bool:
    """Evaluate in the wide dtype from now on where the function takes it and gives the same value."""
    wide = function.structure.dtype
    if all(leaf.dtype == wide for leaf in function.structure.leaves):
        return False
    own, function.dtype = function.dtype, wide
    value = function.at(function.point)
    slack = _SAME_VALUE * function.structure.format.eps
    if np.all(np.abs(value - function.value) <= slack * np.maximum(np.abs(function.value), np.abs(value))):
        function.value = value
        return True
    function.dtype = own
    return False


def choose_method(
    function: FunctionOracle,
    claimed: Array,
    roundings: Mapping[str, float],
    gradient: GradientOracle | None,
    rtol: float | None,
    rng: np.random.Generator,
) -> tuple[DirectionalCheck, Curve | None]:
    """Choose how slopes are found, and take the step curve along one direction through all tensors.

    claimed (m, p): the gradient. roundings: the eps of each of its tensors that can be compared. gradient: calls the
    gradient at other points; None where it cannot be called.
    """
    structure = function.structure
    is_huge = float(np.max(np.abs(function.value))) > _HUGE
    scale = scales(structure, function.point, _SHRUNK if is_huge else 1.0, function.bounds)
    eps = max(roundings.values())
    # A gradient that moves the value by less than its rounding is zero.
    rounding = np.where(claimed == 0, eps / 512 * np.abs(function.value)[:, None] / scale.own, 0)
    where = np.concatenate([structure.places[name] for name in roundings])
    direction = random_direction(where, scale, rng)
    seen = noise(function, direction.dense(structure.size))
    relative, slack = _allowed(function, claimed, roundings, rtol)
    if function.coarse:  # the slopes are those at a rounded point
        relative = np.maximum(relative, relative_tolerance(function.coarse))
    blurred = max(BLURRED, ALLOWED * (rtol or 0))
    check = DirectionalCheck(function, claimed, rounding, relative, slack, scale, seen, rng, blurred)
    if gradient is not None:
        check.rows_at, check.rows_eps = gradient.rows, eps
        check.refine = partial(measure_rounding, check)
    levels = LEVELS if function.budget.is_roomy else _FEW_LEVELS
    return check, curve(check, direction, levels, complex_slope(function, direction))


def _allowed(
    function: FunctionOracle, claimed: Array, roundings: Mapping[str, float], rtol: float | None
) -> tuple[Array, Array]:
    """The error that a right gradient may have: (p,) relative to each entry, and (m, p) absolute, beside that.

    By the rounding of each tensor, or by the accuracy `rtol` that was asked for, which is relative to an entry or to
    the root mean square of its tensor, whichever is larger.
    """
    relative = np.full(function.structure.size, relative_tolerance(function.structure.format.eps))
    slack = np.zeros(claimed.shape)
    for name, eps in roundings.items():
        where = function.structure.places[name]
        relative[where] = relative_tolerance(eps)
        slack[:, where] = _LEAST.get(eps, 0.0)  # no number is nearer
        if rtol is not None and len(where):
            relative[where] = max(rtol, eps)
            rows = np.nan_to_num(claimed[:, where])
            slack[:, where] += rtol * np.array([[norm(row)] for row in rows]) / np.sqrt(len(where))
    return relative, slack


def without_kinks(
    check: DirectionalCheck, steps: Curve, kinks: Iterable[Kink], names: tuple[str, ...]
) -> Curve:
    """The step curve along a direction in which no entry moves that was found to be at a kink."""
    structure = check.function.structure
    free = np.zeros(structure.size, bool)
    views = structure.views(free)
    for name in names:
        views[name][...] = True
    for kink in kinks:
        views[kink.tensor][kink.index] = False
    where = np.flatnonzero(free)
    if not len(where) or len(where) == structure.size or not check.function.room(2 * LEVELS):
        return steps
    return curve(check, random_direction(where, check.scales, check.rng)) or steps

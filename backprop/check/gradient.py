"""Checking the gradient of any function: `backprop.check_gradient`, from what is asked to the result.

check = backprop.check_gradient(function, gradient, point)
print(check)                    # a verdict per tensor, the worst entries, what kind of mistake it is
check.ok, check.findings, check.kinks, check.taylor_slope
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import read_answer, value_and_gradient
from backprop.check.kinds import Finding, found
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import scales
from backprop.check.numeric.kinks import judge_slices, judge_together
from backprop.check.numeric.method import Curve, choose_method, widen, without_kinks
from backprop.check.numeric.noise import ROOMY
from backprop.check.numeric.tensors import Table, by_directions, every_entry
from backprop.check.numeric.verdict import (
    NO_NOISE,
    TensorVerdict,
    forgive_symmetric,
    judge_constant,
    judge_directions,
    judge_entries,
)
from backprop.check.oracle import (
    Behaviour,
    Budget,
    Claims,
    FunctionOracle,
    GradientOracle,
    check_rtol,
    claims_of,
    copied,
    differing,
    first_difference,
    observe,
)
from backprop.check.points import structure_of
from backprop.check.report import Evidence, report
from backprop.check.result import GradientCheck
from backprop.errors import CheckError, OptionError

FEWEST_CALLS = 60
"""Less than this does not suffice for the noise and the step curve."""
_COMPLEX, _CENTRAL, _NOISY = 2, 10, 18
"""Calls that an entry takes, with some to spare: by complex steps, by central quotients, under noise."""
_KINKED = 14
"""Calls that an entry at a kink takes, which noise hides less."""
_FEW_COMPLEX, _FEW_CENTRAL = 1, 4
"""Calls of an entry with a small budget, which is used to its end."""
_ELSEWHERE = 1e-3
"""Of the scale: the other point at which the gradient is called, to see whether it keeps state."""


def check_gradient(
    function: Callable[[Any], Any],
    gradient: Any = None,
    point: Any = None,
    *,
    jacobian: Any = None,
    rng: np.random.Generator | None = None,
    max_calls: int = 2000,
    batch_size: int | None = None,
    rtol: float | None = None,
) -> GradientCheck:
    """Whether `gradient` is the gradient of `function` at `point`, and what is wrong with it where it is not.

    function: from an array, a number, or nested dicts, lists and tuples of them, to a number.
    gradient: a function from the same to the gradient, in the form of the point, or to a pair (value, gradient);
    or the gradient at the point itself, where it is no function.
    point: where; finite numbers. A float32 point is checked to the precision of float32 where the function or the
    gradient computes in float32, else to that of float64.
    jacobian: in place of `gradient`, for a function to an array: each tensor has the shape of the function's value
    before that of the parameter.
    rng: for the random directions; by default the same ones in every call.
    max_calls: how often the function and the gradient together may be called at most. With few parameters, at most a
    tenth of this number or half of it where complex steps work, every entry is compared. With more, random
    directions are: a right gradient takes at most 200 calls then, however many its parameters; of a wrong one the
    tensor and the entries are searched for with the rest.
    batch_size: n, where the function is over a batch, to tell a sum over it from another factor.
    rtol: how exact the gradient need be, relative to each entry or to the root mean square of its tensor, whichever
    is larger: 1e-6 for the adjoint of a solver that stops at 1e-7. By default 1e-9, or what the dtype allows.

    The truth is a complex step where the function takes complex numbers and real quotients confirm it, else central
    differences with Richardson extrapolation, whose steps adapt to the function's noise and to its structure. The
    tolerance follows from their error estimate and from the rounding of the gradient itself. A gradient is right
    where all evidence agrees: every entry or random directions, and the remainder of Taylor's theorem. Where the
    rounding or the noise of the function hides its gradient, the verdict is `undecided`.

    Raises `CheckError` where there is nothing to compare: a point, value or gradient that is no real number, or a
    value that is not finite; `OptionError` for a `max_calls` below 60, or an `rtol` that is no number between 0 and
    1. What the functions raise at the point is passed on.
    """
    if (gradient is None) == (jacobian is None):
        got = "neither" if gradient is None else "both"
        raise CheckError(f"Of gradient and jacobian {got} was handed in; expected one of them.")
    if point is None:
        raise CheckError(
            "There is no point; expected the array, or dict, list or tuple of arrays, to check at."
        )
    if max_calls < FEWEST_CALLS:
        raise OptionError(f"max_calls is {max_calls}; expected at least {FEWEST_CALLS}.")
    check_rtol(rtol)
    rng = np.random.default_rng(0) if rng is None else rng
    claim = gradient if jacobian is None else jacobian
    with np.errstate(all="ignore"):  # whatever the user's own settings are
        structure, x = structure_of(point)
        oracle = FunctionOracle(function, structure, x, Budget(max_calls))
        return report(_evidence(oracle, claim, rng, batch_size, rtol, is_jacobian=jacobian is not None))


def _evidence(
    function: FunctionOracle,
    claim: Any,
    rng: np.random.Generator,
    batch_size: int | None,
    rtol: float | None,
    *,
    is_jacobian: bool,
) -> Evidence:
    """All that there is to see of the function and of the claim."""
    structure, x = function.structure, function.point
    own = observe(function.code, [structure.build(x)], called="function")
    function.count(own.calls)
    function.start(own.answer, jacobian=is_jacobian)

    elsewhere = x + _ELSEWHERE * scales(structure, x).own * rng.uniform(0.5, 1.5, len(x))
    asked = Behaviour(copied(claim), (), 0)
    if callable(claim):
        asked = observe(claim, [structure.build(x)], [structure.build(elsewhere)])
    function.budget.used += asked.calls
    answer = read_answer(value_and_gradient(asked.answer, structure)[1], structure, outputs=function.outputs)
    changed = _changed_since(function, own, called="the gradient")
    claims = claims_of(answer, structure, function.outputs)
    seen = Evidence(function, own, asked, answer, claims, batch_size, changed, asked.calls)
    if not claims.names or seen.changes_the_function or own.has_state:
        return seen
    is_wide = widen(function)
    gradient = None
    if callable(claim) and asked.repeatable:
        gradient = GradientOracle(claim, structure, function.outputs, function.budget)
        claims = seen.claims = _wider(gradient, claims, x) if is_wide else claims
    dtypes = {name: array.dtype for name, array in answer.tensors.items()}
    seen.check, seen.steps = choose_method(function, claims, dtypes, gradient, rtol, rng)
    check, steps = seen.check, seen.steps
    if steps is not None and _is_constant(check, steps):
        seen.verdicts = judge_constant(check, claims.names)
    else:
        verdicts = _compare(check, steps, claims.names)
        seen.verdicts = forgive_symmetric(verdicts, check)
        if any(new is not old for new, old in zip(seen.verdicts, verdicts, strict=True)):
            seen.steps = None  # its direction is not symmetric
        elif steps is not None and np.any(steps.slope.kink):
            kinks = [kink for each in verdicts for kink in each.kinks]
            seen.steps = without_kinks(check, steps, kinks, claims.names)
        seen.changed = seen.changed or _changed_since(function, own, called="calls elsewhere")
        if gradient is not None and any(each.wrong for each in seen.verdicts):
            rounded = gradient.at(x.astype(np.float32).astype(x.dtype))
            seen.in_float32 = None if rounded is None else rounded.comparable
    seen.gradient_calls += 0 if gradient is None else gradient.calls
    return seen


def _wider(gradient: GradientOracle, claims: Claims, x: Array) -> Claims:
    """The gradient evaluated in the wide dtype if it returns that dtype, else the original one."""
    gradient.wide = True
    answer = gradient.at(x)
    if answer is not None:
        wide = claims_of(answer, gradient.structure, gradient.outputs)
        is_wide = all(array.dtype == gradient.structure.dtype for array in answer.tensors.values())
        if is_wide and wide.names == claims.names:
            return wide
    gradient.wide = False
    return claims


def _is_constant(check: DirectionalCheck, steps: Curve) -> bool:
    """Whether neither small nor large steps move the function."""
    quiet = not check.noisy or float(np.max(check.noise)) <= NO_NOISE
    return steps.still and quiet and check.stays_still(steps.direction)


def _compare(check: DirectionalCheck, steps: Curve | None, names: tuple[str, ...]) -> list[TensorVerdict]:
    """Every tensor that can be compared, by its entries or along directions."""
    structure, budget = check.function.structure, check.function.budget
    where = np.concatenate([structure.places[name] for name in names])
    per_entry = _COMPLEX if check.complex else _NOISY if check.noisy else _CENTRAL
    if steps is not None and np.any(steps.slope.kink):  # which entries are at kinks, and together with which?
        per_entry = min(per_entry, _KINKED)
    if budget.limit < ROOMY:
        per_entry = _FEW_COMPLEX if check.complex else _FEW_CENTRAL
    signal = 0.0 if steps is None else float(np.max(steps.slope.steep))
    if len(where) * per_entry <= budget.left:
        table = every_entry(check, where)
        if table is None:  # quotients take more calls: maybe more than there are for every entry
            return _compare(check, steps, names)
        judge_together(check, table)
        signal = max(signal, float(np.max(table.steep * check.scales.own)))
        return [judge_entries(name, check, table, signal) for name in names]
    table = Table(len(check.claimed), structure.size)
    searches = by_directions(check, names, table)
    for search in searches:
        judge_slices(check, table, search.kinked)
    signal = max([signal, *(float(np.max(each.steep)) for search in searches for each in search.comparisons)])
    return [judge_directions(search, check, table, signal) for search in searches]


def _changed_since(function: FunctionOracle, own: Behaviour, *, called: str) -> list[Finding]:
    """Whether the function gives another value at the point now than at first, though not at random."""
    if own.findings or not function.room(1):
        return []

    def value() -> Any:
        function.count(1)
        try:
            return copied(function.code(function.structure.build(function.point)))
        except Exception:  # it raised nothing at first
            return None

    again = value()
    seen = first_difference(own.answer, again)
    if seen is None:
        return []
    if any(differing(again, value()) for _ in range(3) if function.room(1)):
        return [found("not-repeatable", None, f"Equal calls of the function gave different values: {seen}.")]
    kind = "changes-the-function" if called == "the gradient" else "state-from-last-call"
    verb = "gives" if called == "the gradient" else "gave"
    after = "the gradient was called" if called == "the gradient" else "calls elsewhere"
    return [found(kind, None, f"The function {verb} another value after {after}: {seen}.")]

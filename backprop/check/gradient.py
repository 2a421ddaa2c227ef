"""Checking the gradient of any function: `backprop.check_gradient`, from what is asked to the result.

check = backprop.check_gradient(function, gradient, point)
print(check)                    # a verdict per tensor, the worst entries, what kind of mistake it is
check.ok, check.findings, check.kinks, check.taylor_slope
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backprop.check.answers import read_answer, value_and_gradient
from backprop.check.kinds import Finding, found
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.kinks import judge_slices, judge_together
from backprop.check.numeric.method import Curve, accuracy_of, choose_method, widen, without_kinks
from backprop.check.numeric.noise import ROOMY
from backprop.check.numeric.slopes import scales
from backprop.check.numeric.tensors import by_directions, empty_table, every_entry
from backprop.check.numeric.verdict import (
    NO_NOISE,
    TensorVerdict,
    agrees_on_symmetric_directions,
    as_right_on_symmetric_directions,
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
from backprop.check.points import Structure, structure_of
from backprop.check.report import Case, result
from backprop.check.result import GradientCheck
from backprop.errors import CheckError, OptionError

FEWEST_CALLS = 60
_COMPLEX, _CENTRAL, _NOISY = 2, 10, 18  # calls for an entry, with some to spare
_KINKED = 14  # for an entry at a kink, which noise hides less
_FEW_COMPLEX, _FEW_CENTRAL = 1, 4  # with a small budget


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
    claim, is_jacobian = _claim(gradient, jacobian)
    if point is None:
        raise CheckError(
            "There is no point; expected the array, or dict, list or tuple of arrays, to check at."
        )
    if max_calls < FEWEST_CALLS:
        raise OptionError(f"max_calls is {max_calls}; expected at least {FEWEST_CALLS}.")
    check_rtol(rtol)
    rng = np.random.default_rng(0) if rng is None else rng
    with np.errstate(all="ignore"):  # whatever the user's own settings are
        return _check(function, claim, point, rng, max_calls, batch_size, rtol, is_jacobian=is_jacobian)


def _check(
    function: Callable[[Any], Any],
    claim: Any,
    point: Any,
    rng: np.random.Generator,
    max_calls: int,
    batch_size: int | None,
    rtol: float | None,
    *,
    is_jacobian: bool,
) -> GradientCheck:
    structure, x = structure_of(point)
    budget = Budget(max_calls)
    oracle = FunctionOracle(function, structure, x, budget)
    own = observe(function, [structure.build(x)], called="function")
    oracle.count(own.calls)
    oracle.start(own.answer, jacobian=is_jacobian)

    elsewhere = x + 1e-3 * scales(structure, x).own * rng.uniform(0.5, 1.5, len(x))
    asked = _ask(claim, structure, x, elsewhere)
    budget.used += asked.calls
    answer = read_answer(value_and_gradient(asked.answer, structure)[1], structure, outputs=oracle.outputs)
    since = _changed_since(oracle, own, called="the gradient")
    changed = tuple(finding for finding in since if finding.kind == "changes-the-function")
    case = Case(structure, x, oracle.outputs, answer, asked, own, batch_size, changed)
    claims = claims_of(answer, structure, oracle.outputs)
    if not claims.names or changed or own.has_state:
        return result(case, None, None, [], claims.rows, oracle, asked.calls)
    is_wide = widen(oracle)
    gradient_oracle = (
        GradientOracle(claim, structure, oracle.outputs, budget)
        if callable(claim) and asked.repeatable
        else None
    )
    if gradient_oracle is not None and is_wide:
        claims = _wider(gradient_oracle, claims, x)
    dtypes = {name: array.dtype for name, array in answer.tensors.items()}
    is_wide = gradient_oracle is not None and gradient_oracle.wide
    check, steps = choose_method(
        oracle, claims, gradient_oracle, accuracy_of(structure, claims, dtypes, rtol, wide=is_wide), rng
    )
    quiet = not check.noisy or float(np.max(check.noise)) <= NO_NOISE
    if steps is not None and steps.still and quiet and check.stays_still(steps.direction):
        verdicts = judge_constant(check, structure, claims.names, oracle.outputs)
        return result(
            case, check, steps, verdicts, claims.rows, oracle, asked.calls + _calls_of(gradient_oracle)
        )
    verdicts = _compare(check, steps, structure, claims, rng)
    symmetric = {
        each.tensor.name
        for each in verdicts
        if each.wrong and agrees_on_symmetric_directions(check, structure, each.tensor.name, rng)
    }
    if symmetric:
        verdicts = [
            as_right_on_symmetric_directions(each) if each.tensor.name in symmetric else each
            for each in verdicts
        ]
        steps = None  # its direction is not symmetric
    if steps is not None and np.any(steps.slope.kink):
        steps = without_kinks(check, steps, verdicts, structure, claims, rng)
    late = since or _changed_since(oracle, own, called="calls elsewhere")
    if gradient_oracle is not None and any(each.wrong for each in verdicts):
        case = replace(case, in_float32=gradient_oracle.tensors(x.astype(np.float32).astype(x.dtype)))
    calls = asked.calls + _calls_of(gradient_oracle)
    return result(case, check, steps, verdicts, claims.rows, oracle, calls, late)


def _calls_of(gradient_oracle: GradientOracle | None) -> int:
    return 0 if gradient_oracle is None else gradient_oracle.calls


def _claim(gradient: Any, jacobian: Any) -> tuple[Any, bool]:
    if (gradient is None) == (jacobian is None):
        got = "neither" if gradient is None else "both"
        raise CheckError(f"Of gradient and jacobian {got} was handed in; expected one of them.")
    return (gradient, False) if jacobian is None else (jacobian, True)


def _ask(claim: Any, structure: Structure, x: Any, elsewhere: Any) -> Behaviour:
    """The gradient's answer, and how it behaves."""
    if not callable(claim):
        return Behaviour(copied(claim), (), 0)
    return observe(claim, [structure.build(x)], [structure.build(elsewhere)])


def _wider(gradient_oracle: GradientOracle, claims: Claims, x: Any) -> Claims:
    """The gradient evaluated in the wide dtype if it returns that dtype, else the original one."""
    gradient_oracle.wide = True
    other = gradient_oracle.at(x)
    if other is not None and other[0].names == claims.names:
        wide, answer = other
        if all(array.dtype == gradient_oracle.structure.dtype for array in answer.tensors.values()):
            return wide
    gradient_oracle.wide = False
    return claims


def _compare(
    check: DirectionalCheck,
    steps: Curve | None,
    structure: Structure,
    claims: Claims,
    rng: np.random.Generator,
) -> list[TensorVerdict]:
    """Every tensor that can be compared, by its entries or along directions."""
    places = structure.views(np.arange(structure.size))
    where = np.concatenate([places[name].reshape(-1) for name in claims.names])
    outputs, budget = check.function.outputs, check.function.budget
    per_entry = _COMPLEX if check.complex else _NOISY if check.noisy else _CENTRAL
    if steps is not None and np.any(steps.slope.kink):  # which entries are at kinks, and together with which?
        per_entry = min(per_entry, _KINKED)
    if budget.limit < ROOMY:
        per_entry = _FEW_COMPLEX if check.complex else _FEW_CENTRAL
    signal = 0.0 if steps is None else float(np.max(steps.slope.steep))
    if len(where) * per_entry <= budget.left:
        table = every_entry(check, where)
        if table is None:  # quotients take more calls: maybe more than there are for every entry
            return _compare(check, steps, structure, claims, rng)
        judge_together(check, table, rng)
        signal = max(signal, float(np.max(table.steep * check.scales.own)))
        return [judge_entries(name, structure, check, table, outputs, signal) for name in claims.names]
    table = empty_table(len(claims.rows), structure.size)
    searches = by_directions(check, structure, list(claims.names), table, rng)
    for search in searches:
        judge_slices(check, table, search.kinked, rng)
    signal = max(
        [
            signal,
            *(float(np.max(comparison.steep)) for search in searches for comparison in search.comparisons),
        ]
    )
    return [judge_directions(search, structure, check, table, outputs, signal) for search in searches]


def _changed_since(oracle: FunctionOracle, own: Behaviour, *, called: str) -> list[Finding]:
    """Whether the function gives another value at the point now than at first, though not at random."""
    if own.findings or not oracle.room(1):
        return []

    def value() -> Any:
        oracle.count(1)
        try:
            return copied(oracle.function(oracle.structure.build(oracle.point)))
        except Exception:  # it raised nothing at first
            return None

    again = value()
    seen = first_difference(own.answer, again)
    if seen is None:
        return []
    if any(differing(again, value()) for _ in range(3) if oracle.room(1)):
        return [found("not-repeatable", None, f"Equal calls of the function gave different values: {seen}.")]
    if called == "the gradient":
        evidence = f"The function gives another value after the gradient was called: {seen}."
        return [found("changes-the-function", None, evidence)]
    return [
        found("state-from-last-call", None, f"The function gave another value after calls elsewhere: {seen}.")
    ]

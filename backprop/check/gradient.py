"""Checking the gradient of any function: `backprop.check_gradient`, from what is asked to the result.

check = backprop.check_gradient(function, gradient, point)
print(check)                    # a verdict per tensor, the worst entries, what kind of mistake it is
check.ok, check.findings, check.kinks, check.taylor_slope
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.check.findings import Finding
from backprop.check.forms.answers import read_answer, value_and_gradient
from backprop.check.forms.behaviour import Behaviour, observe
from backprop.check.forms.claims import Claimant, Claims, claims_of
from backprop.check.forms.copies import copied, first_difference
from backprop.check.forms.tensors import Form, form_of
from backprop.check.kinds import found
from backprop.check.numeric.directions import scales
from backprop.check.numeric.entries import empty_table, every_entry
from backprop.check.numeric.evaluation import Probe
from backprop.check.numeric.judge import Judged, judge_directions, judge_entries
from backprop.check.numeric.large import by_directions
from backprop.check.numeric.setting import relative_of, settle, widen, without_kinks
from backprop.check.numeric.truth import Truth
from backprop.check.report import Case, result
from backprop.check.result import GradientCheck
from backprop.errors import CheckError, OptionError

FEWEST_CALLS = 60
_BEFORE = 60  # calls for the value, the noise and the step curve
_COMPLEX, _CENTRAL, _NOISY = 2, 10, 40  # calls for an entry, with some to spare


def check_gradient(
    function: Callable[[Any], Any],
    gradient: Any = None,
    point: Any = None,
    *,
    jacobian: Any = None,
    rng: np.random.Generator | None = None,
    max_calls: int = 2000,
    batch_size: int | None = None,
) -> GradientCheck:
    """Whether `gradient` is the gradient of `function` at `point`, and what is wrong with it where it is not.

    function: from an array, a number, or nested dicts, lists and tuples of them, to a number.
    gradient: a function from the same to the gradient, in the form of the point, or to a pair (value, gradient);
    or the gradient at the point itself, where it is no function.
    point: where; finite numbers. A float32 point is checked to the precision of float32.
    jacobian: in place of `gradient`, for a function to an array: each tensor has the shape of the function's value
    before that of the parameter.
    rng: for the random directions; by default the same ones in every call.
    max_calls: how often the function may be called at most. With few parameters, at most a tenth of this number or
    half of it where complex steps work, every entry is compared. With more, random directions are: a right
    gradient takes at most 200 calls then, however many its parameters; of a wrong one the tensor and
    the entries are searched for with the rest.
    batch_size: n, where the function is over a batch, to tell a sum over it from another factor.

    The truth is a complex step where the function takes complex numbers and real quotients confirm it, else central
    differences with Richardson extrapolation, whose steps adapt to the function's noise. The tolerance follows from
    their error estimate and from the rounding of the gradient itself.

    Raises `CheckError` where there is nothing to compare: a point, value or gradient that is no real number, or a
    value that is not finite; `OptionError` for a `max_calls` below 60. What the functions raise at the point is
    passed on.
    """
    claim, is_jacobian = _claim(gradient, jacobian)
    if point is None:
        raise CheckError(
            "There is no point; expected the array, or dict, list or tuple of arrays, to check at."
        )
    if max_calls < FEWEST_CALLS:
        raise OptionError(f"max_calls is {max_calls}; expected at least {FEWEST_CALLS}.")
    rng = np.random.default_rng(0) if rng is None else rng
    form, x = form_of(point)
    probe = Probe(function, form, x, max_calls)
    own = observe(function, [form.build(x)], called="function")
    probe.calls = own.calls
    probe.start(own.answer, jacobian=is_jacobian)

    elsewhere = x + 1e-3 * scales(form, x).own * rng.uniform(0.5, 1.5, len(x))
    asked = _ask(claim, form, x, elsewhere)
    answer = read_answer(value_and_gradient(asked.answer, form)[1], form, outputs=probe.outputs)
    case = Case(form, x, probe.outputs, answer, asked, own, batch_size)
    claims = claims_of(answer, form, probe.outputs)
    if not claims.names or not own.repeatable:
        return result(case, None, None, [], claims.rows, probe, asked.calls)
    is_wide = widen(probe)
    claimant = Claimant(claim, form, probe.outputs) if callable(claim) and asked.repeatable else None
    if claimant is not None and is_wide:
        claims = _wider(claimant, claims, x)
    relative = relative_of(form, {name: array.dtype for name, array in answer.tensors.items()})
    truth, steps = settle(probe, claims, claimant, relative, rng)
    judged = _compare(truth, form, claims, probe, rng)
    if steps is not None and np.any(steps.slope.kink):
        steps = without_kinks(truth, steps, judged, form, claims, rng)
    late = _changed_since(probe, own)
    calls = asked.calls + (claimant.calls if claimant else 0)
    return result(case, truth, steps, judged, claims.rows, probe, calls, late)


def _claim(gradient: Any, jacobian: Any) -> tuple[Any, bool]:
    if (gradient is None) == (jacobian is None):
        got = "neither" if gradient is None else "both"
        raise CheckError(f"Of gradient and jacobian {got} was handed in; expected one of them.")
    return (gradient, False) if jacobian is None else (jacobian, True)


def _ask(claim: Any, form: Form, x: Any, elsewhere: Any) -> Behaviour:
    """The gradient's answer, and how it behaves."""
    if not callable(claim):
        return Behaviour(copied(claim), (), 0)
    return observe(claim, [form.build(x)], [form.build(elsewhere)])


def _wider(claimant: Claimant, claims: Claims, x: Any) -> Claims:
    """The claims in the wide dtype, where the gradient follows what it is given; else those that there are."""
    claimant.wide = True
    other = claimant.at(x)
    if other is not None and other[0].names == claims.names:
        wide, answer = other
        if all(array.dtype == claimant.form.dtype for array in answer.tensors.values()):
            return wide
    claimant.wide = False
    return claims


def _compare(
    truth: Truth, form: Form, claims: Claims, probe: Probe, rng: np.random.Generator
) -> list[Judged]:
    """Every tensor that can be compared, by its entries or along directions."""
    places = form.views(np.arange(form.size))
    where = np.concatenate([places[name].reshape(-1) for name in claims.names])
    per_entry = _COMPLEX if truth.complex else _NOISY if truth.noisy else _CENTRAL
    if len(where) * per_entry <= probe.max_calls - _BEFORE:
        table = every_entry(truth, where)
        return [judge_entries(name, form, truth, table, probe.outputs) for name in claims.names]
    table = empty_table(len(claims.rows), form.size)
    parts = by_directions(truth, form, list(claims.names), table, rng)
    return [judge_directions(part, form, truth, table, probe.outputs) for part in parts]


def _changed_since(probe: Probe, own: Behaviour) -> list[Finding]:
    """Whether the function gives another value now than at first."""
    if not probe.room(1):
        return []
    probe.calls += 1
    try:
        again = copied(probe.function(probe.form.build(probe.point)))
    except Exception:  # it did not at first
        again = None
    seen = first_difference(own.answer, again)
    if seen is None:
        return []
    return [
        found("state-from-last-call", None, f"The function gave another value after calls elsewhere: {seen}.")
    ]

"""Checking the gradient of any function: `backprop.check_gradient`, and `backprop.check_step` for one with its loss.

check = backprop.check_gradient(function, gradient, point)
print(check)                    # a verdict per tensor, the worst entries, what kind of mistake it is
check.ok, check.findings, check.kinks, check.taylor_slope
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import is_number, value_and_gradient
from backprop.check.behaviour import observe
from backprop.check.calls import step_of, with_point
from backprop.check.evidence import gather
from backprop.check.kinds import Finding
from backprop.check.leaves import read
from backprop.check.lines import Lines
from backprop.check.lines.find import program_of_gradient, with_lines
from backprop.check.lines.program import Program
from backprop.check.lines.steps import search
from backprop.check.look import probe
from backprop.check.numeric.directions import bounds_of, has_room
from backprop.check.oracle import MAX_CALLS, Budget, FunctionOracle
from backprop.check.points import Structure, structure_of
from backprop.check.report import report
from backprop.check.result import GradientCheck
from backprop.check.settings import settings
from backprop.check.trees import ends_of
from backprop.check.trials import with_trials
from backprop.errors import CheckError


def check_gradient(
    function: Callable[[Any], Any],
    gradient: Any = None,
    point: Any = None,
    *,
    jacobian: Any = None,
    bounds: Any = None,
    retract: Callable[[Any, Any], Any] | None = None,
    rng: np.random.Generator | int | None = None,
    max_calls: int = MAX_CALLS,
    batch_size: int | None = None,
    rtol: float | None = None,
) -> GradientCheck:
    """Whether `gradient` is the gradient of `function` at `point`, and what is wrong with it where it is not.

    function: from the point, or from its parts as arguments, to a number, alone or first in a tuple.
    gradient: a function from the same to the gradient, in the form of the point, or to (value, gradient); or either
    at the point itself, where it is no function. None in the place of a tensor stands for 0. Those by the parts of a
    dict may be in order. Of a function that is a gradient itself, it is the Hessian, which must be symmetric.
    point: where; an array, a number, or nested dicts, lists, tuples, dataclasses, pandas Series and tables, and
    containers that are registered with JAX, of NumPy arrays, PyTorch tensors or JAX arrays. Both functions are handed
    the same form. Strings, None, truth values, and whole numbers beside floating ones pass through untouched. Complex
    numbers are pairs of real ones: the gradient by x + iy is ∂L/∂x + i ∂L/∂y, by JAX arrays its conjugate. A float32
    point is checked to the precision of float32 where the function or the gradient computes in float32, else to that
    of float64; narrower formats likewise.
    jacobian: in place of `gradient`, for a function to an array: each tensor has the shape of the function's value
    before that of the parameter. A sparse matrix or a linear operator is not written out: of more than 50,000 entries
    random combinations of the values are compared.
    bounds: (lower, upper), each a number or in the form of the point; SciPy's Bounds; a list of pairs; {name: (lower,
    upper)}. Neither function is called beyond them, and on an edge the slope to the inside is the truth.
    retract: retract(point, δ) is a point beside it, and the gradient is by δ at δ = 0: on a Lie group, a manifold, or
    for a matrix that stays symmetric. δ has the form of the gradient.
    rng: for the random directions, a generator or its seed; by default the same ones in every call.
    max_calls: how often the function and the gradient together may be called at most, by default 2,000 times. With
    few parameters, at most a tenth of this number or half of it where complex steps work, every entry is compared.
    With more, random directions are: a right gradient takes at most 200 calls then, however many its parameters; of a
    wrong one the tensor and the entries are searched for with the rest.
    batch_size: n, where the function is over a batch, to tell a sum over it from another factor.
    rtol: how exact the gradient need be, relative to each entry or to the root mean square of its tensor, whichever
    is larger: 1e-6 for the adjoint of a solver that stops at 1e-7. By default 1e-9, or what the dtype allows.

    The truth is a complex step where the function takes complex numbers and real quotients confirm it, else central
    differences with Richardson extrapolation, whose steps adapt to the function's noise and to its structure. The
    tolerance follows from their error estimate and from the rounding of the gradient itself. A gradient is right
    where all evidence agrees: every entry or random directions, and the remainder of Taylor's theorem. Where the
    rounding or the noise of the function hides its gradient, the verdict is `undecided`.

    Of a wrong gradient that is a function, the lines of its code that are wrong are looked for with the calls that
    are left, and told in `lines`.

    Raises `CheckError` where there is nothing to compare: a point, value or gradient that is no real number, or a
    value that is not finite; `OptionError` for a `max_calls` below 60, and for an `rtol`, `batch_size` or `rng` that
    is none. What the functions raise at the point is passed on.
    """
    claim = _the_one(gradient, jacobian, point)
    rng = settings(rng, max_calls, rtol, batch_size, function=function, retract=retract)
    with np.errstate(all="ignore"):  # whatever the user's own settings are
        structure, x = structure_of(point)
        sources = [claim], [function]  # whose lines are looked for, however they are called
        claim, function = (with_point(each, point) if callable(each) else each for each in (claim, function))
        function = function if jacobian is not None else _value_of(function, structure)
        moved = _claimed_whole_numbers(claim, structure, x)
        if moved:
            structure, x = structure_of(point, moved=moved)
        budget = Budget(max_calls)
        findings: tuple[Finding, ...] = ()
        by_hand = claim
        if retract is not None:
            claim, findings, calls = _asked_once(claim, structure, x)
            by_hand = _retracted(by_hand, structure, x, retract)
            function, structure, x = _on_tangents(function, structure, x, retract, claim)
            budget.used += calls
        oracle = FunctionOracle(function, structure, x, budget, bounds=bounds_of(bounds, structure, x))
        seen = gather(oracle, claim, rng, batch_size=batch_size, rtol=rtol, is_jacobian=jacobian is not None)
        seen.blame(*findings)
        check = report(seen, partial(probe, seen))
        if not callable(by_hand):
            return check
        check = with_trials(check, seen, [*sources[0], *sources[1]])
        return with_lines(check, lambda: _lines(oracle, function, by_hand, sources))


def _the_one(gradient: Any, jacobian: Any, point: Any) -> Any:
    """The gradient or the Jacobian; raises `CheckError` where not one of both was handed in, or no point."""
    if (gradient is None) == (jacobian is None):
        got = "neither" if gradient is None else "both"
        step = " A function that returns (loss, gradients) is for check_step(function, point)."
        wanted = "expected one of them." + ("" if jacobian else step)
        raise CheckError(f"Of gradient and jacobian {got} was handed in; {wanted}")
    if point is None:
        wanted = "the array, or dict, list or tuple of arrays, to check at"
        raise CheckError(f"There is no point; expected {wanted}.")
    return gradient if jacobian is None else jacobian


_JACOBIAN = "Wrong lines are looked for in the code of a gradient; a Jacobian is checked without them."
_AT_EDGE = (
    "The point lies at the edge of its bounds; expected room on both sides, to look for the wrong line."
)


def _lines(
    oracle: FunctionOracle, function: Any, gradient: Any, sources: tuple[list[Any], list[Any]]
) -> Lines:
    """The wrong lines of a gradient, or why they are not looked for; sources: its code, and the function's."""
    structure, x = oracle.structure, oracle.point
    if oracle.outputs:
        return Lines((), note=_JACOBIAN)
    if not has_room(oracle.bounds, structure, x):
        return Lines((), note=_AT_EDGE)
    program, is_whole = program_of_gradient(function, gradient, structure, x, oracle.budget)
    return search(program, sources[0], () if is_whole else sources[1])


def _asked_once(claim: Any, structure: Structure, x: Array) -> tuple[Any, tuple[Finding, ...], int]:
    """The gradient at the point alone, what is wrong with how it was given, and the calls that it took."""
    if not callable(claim):
        return claim, (), 0
    asked = observe(claim, [structure.build(x)])
    return value_and_gradient(asked.answer, structure)[1], asked.findings, asked.calls


def _on_tangents(
    function: Callable[[Any], Any],
    structure: Structure,
    x: Array,
    retract: Callable[[Any, Any], Any],
    claim: Any,
) -> tuple[Callable[[Any], Any], Structure, Array]:
    """The function of δ, with the structure of δ and its zero."""
    tangents, at = structure_of(claim)
    return _retracted(function, structure, x, retract), tangents, np.zeros_like(at)


def _retracted(code: Any, structure: Structure, x: Array, retract: Callable[[Any, Any], Any]) -> Any:
    """The code as a function of δ; a gradient that was handed in as such remains what it is."""
    return (lambda delta: code(retract(structure.build(x), delta))) if callable(code) else code


def check_step(
    step: Callable[..., Any],
    point: Any,
    *,
    rng: np.random.Generator | int | None = None,
    max_calls: int = MAX_CALLS,
    batch_size: int | None = None,
    rtol: float | None = None,
) -> GradientCheck:
    """Whether a function that returns (loss, gradients) returns the gradients of its loss.

    step: from the point, or from its parts as arguments, to (loss, gradients) or (loss, gradient, gradient, …). The
    gradients are in the form of the point; those by the parts of a dict may be in order as well. What a step returns
    after them, such as a state, is not looked at. Where they are wrong, the lines of the step that are wrong are
    looked for with the calls that are left, and told in `lines`.
    point, and the rest: as for `check_gradient`.

    Raises `CheckError` where it returns something else, or there is nothing to compare, and `OptionError` as
    `check_gradient` does. What it raises at the point is passed on.

        def step(W, b):                                            # (i, o), (o,)
            d = (x @ W + b - t) / len(x)
            return 0.5 * np.sum(d * d) * len(x), x.T @ d, d.sum(axis=0)
        backprop.check_step(step, {"W": W, "b": b})
    """
    rng = settings(rng, max_calls, rtol, batch_size, step=step)
    with np.errstate(all="ignore"):
        structure, x = structure_of(point)
        both = step_of(step, point, structure)
        budget = Budget(max_calls)
        oracle = FunctionOracle(lambda at: both(at)[0], structure, x, budget)
        seen = gather(oracle, lambda at: both(at)[1], rng, batch_size=batch_size, rtol=rtol)
        program = Program(both, structure, x, (), budget)
        check = with_trials(report(seen, partial(probe, seen)), seen, [step])
        return with_lines(check, lambda: search(program, [step]))


def _value_of(function: Callable[[Any], Any], structure: Structure) -> Callable[[Any], Any]:
    """The function to a number, where it returns more beside: the gradient, or a cache."""

    def code(at: Any) -> Any:
        returned = function(at)
        value, _ = value_and_gradient(returned, structure)
        if value is None and isinstance(returned, tuple) and not all(map(is_number, returned)):
            value, _ = value_and_gradient(returned[:2], structure)
        return returned if value is None else value

    return code


def _claimed_whole_numbers(claim: Any, structure: Structure, x: Array) -> set[str]:
    """The whole numbers of the point that the gradient has floating ones for, other than 0: 1 may stand for 1.0."""
    whole = {name: each for name, each in structure.constants.items() if np.asarray(each).dtype.kind in "iu"}
    if not whole:
        return set()
    answer = claim(structure.build(x)) if callable(claim) else claim
    given = dict(ends_of(value_and_gradient(answer, structure)[1]))
    return {name for name, each in whole.items() if name in given and _moves(given[name], np.shape(each))}


def _moves(gradient: Any, shape: tuple[int, ...]) -> bool:
    array, form = (None, None) if gradient is None else read(gradient)
    return array is not None and form is not None and array.shape == shape and bool(np.any(array))

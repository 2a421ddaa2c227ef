"""Evidence: all that is to be seen of a function and of a claim of its gradient, in the order of this file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer, read_answer, value_and_gradient
from backprop.check.jacobians import Combinations, is_large
from backprop.check.kinds import Finding, found
from backprop.check.leaves import format_of
from backprop.check.numeric.coarse import within_stairs
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import scales
from backprop.check.numeric.kinks import judge_slices, judge_together
from backprop.check.numeric.method import (
    Curve,
    choose_method,
    relative_tolerance,
    widen,
    without_kinks,
)
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
    Claims,
    FunctionOracle,
    GradientOracle,
    array_of,
    check_rtol,
    claims_of,
    differing,
    first_difference,
    observe,
)
from backprop.check.points import Structure
from backprop.check.report import Evidence
from backprop.check.trees import copied, ends_of
from backprop.errors import OptionError

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


def settings(rng: np.random.Generator | None, max_calls: int, rtol: float | None) -> np.random.Generator:
    """The generator of a check; raises `OptionError` for a `max_calls` below 60, or an `rtol` that is no accuracy."""
    if max_calls < FEWEST_CALLS:
        raise OptionError(f"max_calls is {max_calls}; expected at least {FEWEST_CALLS}.")
    check_rtol(rtol)
    return np.random.default_rng(0) if rng is None else rng


def gather(
    function: FunctionOracle,
    claim: Any,
    rng: np.random.Generator,
    *,
    batch_size: int | None = None,
    rtol: float | None = None,
    is_jacobian: bool = False,
) -> Evidence:
    """All that there is to see of the function and of the claim.

    claim: a function to the gradient, to a pair (value, gradient), or, of a function to an array, to its Jacobian;
    or the gradient itself. What the functions raise at the point is passed on.
    """
    own = _at_the_point(function)
    structure, x = function.structure, function.point
    function.count(own.calls)
    may_be_hessian = not is_jacobian and _is_like_the_point(own.answer, function)
    if not may_be_hessian:
        function.start(own.answer, jacobian=is_jacobian)

    scale = scales(structure, x, bounds=function.bounds)
    away = _ELSEWHERE * scale.own * rng.uniform(0.5, 1.5, len(x))
    elsewhere = x + np.where(scale.inward < 0, -away, away)
    asked, is_function = Behaviour(copied(claim), (), 0), callable(claim) and not hasattr(claim, "matvec")
    if is_function:
        asked = observe(claim, [structure.build(x)], [structure.build(elsewhere)])
    function.budget.used += asked.calls
    claimed = value_and_gradient(asked.answer, structure)[1]
    is_hessian = may_be_hessian and getattr(claimed, "shape", ()) == 2 * structure.leaves[0].shape
    if may_be_hessian:
        function.start(own.answer, jacobian=is_hessian)
    notes, some = [], None
    if (is_jacobian or is_hessian) and any(is_large(part) for _, part in ends_of(claimed)):
        some = Combinations.drawn(function.value.size, rng)
        notes = [some.note]
        claimed, claim = (
            some.of_jacobian(claimed),
            some.after(claim, some.of_jacobian) if is_function else claim,
        )
        function.code, own = some.after(function.code, some.of), replace(own, answer=some.of(own.answer))
        function.start(own.answer, jacobian=True)
    answer = read_answer(claimed, structure, outputs=function.outputs)
    answer.notes[:0] = notes
    if is_hessian and not notes:
        answer.findings += _asymmetry(answer, structure)
    changed = _changed_since(function, own, called="the gradient")
    claims = claims_of(answer, structure, function.outputs)
    seen = Evidence(function, own, asked, answer, claims, batch_size, changed, asked.calls)
    if not claims.names or seen.changes_the_function or own.has_state:
        return seen
    is_wide = widen(function)
    gradient = None
    if is_function and asked.repeatable:
        gradient = seen.gradient = GradientOracle(
            claim, structure, function.outputs, function.budget, bounds=function.bounds
        )
        claims = seen.claims = _wider(gradient, claims, x) if is_wide else claims
    eps = {name: _eps(name, claims, answer, structure, gradient) for name in claims.names}
    seen.check, seen.steps = choose_method(function, claims, eps, gradient, rtol, rng)
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
        seen.verdicts = within_stairs(check, seen.verdicts)
        if some is not None:
            told = (some.single_entry(each.tensor.name, each.tensor.worst) for each in seen.verdicts)
            answer.notes += [note for note in told if note]
        seen.changed = seen.changed or _changed_since(function, own, called="calls elsewhere")
        if gradient is not None and any(each.wrong for each in seen.verdicts):
            rounded = gradient.at(x.astype(np.float32).astype(x.dtype))
            seen.in_float32 = None if rounded is None else rounded.comparable
    seen.gradient_calls += 0 if gradient is None else gradient.calls
    return seen


def _at_the_point(function: FunctionOracle) -> Behaviour:
    """How the function behaves at the point, which is handed to it as the arrays of which it is made.

    A function that raises for arrays of another library is given NumPy's from then on, where it takes these.
    """
    structure, x = function.structure, function.point
    try:
        return observe(function.code, [structure.build(x)], called="function")
    except Exception:  # of whatever kind: it is the user's
        if not structure.is_native:
            raise
        try:
            own = observe(function.code, [structure.plain.build(x)], called="function")
        except Exception:
            own = None
        if own is None:
            raise
        function.structure = structure.plain
        return own


def _is_like_the_point(value: Any, function: FunctionOracle) -> bool:
    """Whether the function gives an array of its point's shape, as a gradient does: its Jacobian is a Hessian."""
    leaves, numbers = function.structure.leaves, array_of(value)
    is_like = numbers is not None and numbers.shape == leaves[0].shape and leaves[0].size > 1
    return is_like and function.structure.tree == 0


def _asymmetry(answer: Answer, structure: Structure) -> list[Finding]:
    """Where a Hessian is not symmetric, beyond its rounding."""
    findings = []
    for name, tensor in answer.comparable.items():
        hessian = tensor.reshape(structure.size, structure.size)
        form = answer.formats.get(name, structure.format)
        apart = np.abs(hessian - hessian.T)
        if np.max(apart) > relative_tolerance(max(form.eps, structure.format.eps)) * np.max(np.abs(hessian)):
            i, j = (int(k) for k in np.unravel_index(int(np.argmax(apart)), hessian.shape))
            seen = f"Entry [{i}, {j}] is {hessian[i, j]:.10g}, and entry [{j}, {i}] is {hessian[j, i]:.10g}."
            findings.append(found("not-symmetric", name, seen))
    return findings


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


def _eps(
    name: str, claims: Claims, answer: Answer, structure: Structure, gradient: GradientOracle | None
) -> float:
    """The rounding of the claim by a tensor: of the narrower of its own format and that of the point.

    A claim in the wide dtype whose numbers are all numbers of float32 was computed in float32.
    """
    if gradient is not None and gradient.wide:
        rows = claims.rows[:, structure.places[name]]
        with np.errstate(all="ignore"):
            is_single = bool(np.all(rows.astype(np.float32) == rows))
        return format_of(np.dtype(np.float32) if is_single else structure.dtype).eps
    return max(structure.format.eps, answer.formats.get(name, structure.format).eps)


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

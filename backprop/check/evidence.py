"""Evidence: all that is to be seen of a function and of a claim of its gradient, in the order of this file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import Answer, read_answer, value_and_gradient
from backprop.check.behaviour import Behaviour, differing, first_difference, observe
from backprop.check.jacobians import Combinations, is_large
from backprop.check.kinds import Finding, found
from backprop.check.leaves import format_of, read_numbers
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.directions import SIZES, scales
from backprop.check.numeric.method import Curve, choose_method, widen, without_kinks
from backprop.check.numeric.noise import relative_tolerance
from backprop.check.numeric.review import forgive_symmetric, within_stairs
from backprop.check.numeric.verdict import (
    TensorVerdict,
    judge_constant,
    judge_tensors,
    stays_constant,
)
from backprop.check.oracle import (
    FunctionOracle,
    GradientOracle,
    rows_of,
)
from backprop.check.points import Structure
from backprop.check.trees import copied, ends_of


@dataclass
class Evidence:
    """All that was seen of a function and of a claim of its gradient.

    own, asked: how the function and the gradient behave. rows (m, p): the answer, maybe in a wider dtype.
    changed: findings of calls that change the function. in_float32: the gradient at the point rounded to float32; it
    is asked for only where something is wrong. gradient: set where the gradient can be called again. named: findings
    of single tensors that other means have proven; `not-linear-in-upstream` gives way to any more specific one.
    linear: the tensors whose gradient was seen to be linear in an upstream gradient. check, steps, verdicts: what was
    compared, if anything was.
    """

    function: FunctionOracle
    own: Behaviour
    asked: Behaviour
    answer: Answer
    rows: Array
    batch_size: int | None
    changed: list[Finding]
    gradient_calls: int
    check: DirectionalCheck | None = None
    steps: Curve | None = None
    verdicts: list[TensorVerdict] = field(default_factory=list)
    in_float32: dict[str, Array] | None = None
    gradient: GradientOracle | None = None
    named: dict[str, Finding] = field(default_factory=dict)
    linear: frozenset[str] = frozenset()

    def blame(self, *findings: Finding) -> None:
        """Put findings beside those of how the gradient behaves."""
        self.asked = replace(self.asked, findings=(*self.asked.findings, *findings))

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors that can be compared."""
        return tuple(name for name in self.function.structure.names if name in self.answer.comparable)

    @property
    def changes_the_function(self) -> bool:
        """Whether a call of the gradient changes the function."""
        return any(finding.kind == "changes-the-function" for finding in self.changed)


FEWEST_CALLS = 60
"""Less than this does not suffice for the noise and the step curve."""
_ELSEWHERE = 1e-3
"""Of the scale: the other point at which the gradient is called, to see whether it keeps state."""


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
    own, structure = _at_the_point(function), function.structure
    may_be_hessian = not is_jacobian and _is_like_the_point(own.answer, function)
    if not may_be_hessian:
        function.start(own.answer, jacobian=is_jacobian)
    is_function = callable(claim) and not hasattr(claim, "matvec")
    asked = _ask(function, claim, rng, is_function=is_function)
    claimed = value_and_gradient(asked.answer, structure)[1]
    is_hessian = may_be_hessian and getattr(claimed, "shape", ()) == 2 * structure.leaves[0].shape
    if may_be_hessian:
        function.start(own.answer, jacobian=is_hessian)
    combined, whole = None, claimed
    if (is_jacobian or is_hessian) and any(is_large(part) for _, part in ends_of(claimed)):
        combined = Combinations.drawn(function.value.size, rng)
        claimed = combined.of_jacobian(claimed)
        claim = combined.after(claim, combined.of_jacobian) if is_function else claim
        own = _of_combinations(function, own, combined)
    answer = read_answer(claimed, structure, outputs=function.outputs)
    if combined is not None:
        answer.notes.insert(0, combined.note)
    elif is_hessian:
        answer.findings += _asymmetry(answer, structure)
    _as_narrow_as_the_function(answer, own.answer)
    after = "gives another value after the gradient was called"
    changed = _changed_since(function, own, "changes-the-function", after)
    rows = rows_of(answer, function)
    seen = Evidence(function, own, asked, answer, rows, batch_size, changed, asked.calls)
    if seen.names and not seen.changes_the_function and not own.has_state:
        if is_function and asked.repeatable:
            seen.gradient = GradientOracle(claim, function)
        _compare_with_truth(seen, rtol, rng)
        if combined is not None:
            _name_single_entries(seen, combined, whole)
    return seen


def _as_narrow_as_the_function(answer: Answer, value: Any) -> None:
    """Take back that a tensor is narrower than its parameter, where the function computes in that format itself."""
    form = read_numbers(value)[1]
    if form is None or not hasattr(value, "dtype"):
        return
    for each in [one for one in answer.findings if one.kind == "wrong-dtype"]:
        own = answer.formats.get(str(each.tensor))
        if own is not None and own.bits >= form.bits:
            answer.findings.remove(each)
            answer.notes.append(f"The dtype of {each.tensor} is {own.name}, as that of the function's value.")


def _of_combinations(function: FunctionOracle, own: Behaviour, combined: Combinations) -> Behaviour:
    """Let the function give combinations of its values from now on; how it behaves at the point, with these."""
    function.code = combined.after(function.code, combined.of)
    own = replace(own, answer=combined.of(own.answer))
    function.start(own.answer, jacobian=True)
    return own


def _ask(function: FunctionOracle, claim: Any, rng: np.random.Generator, *, is_function: bool) -> Behaviour:
    """How the gradient behaves at the point, and at another one beside it; its answer where it is no function."""
    structure, x = function.structure, function.point
    scale = scales(structure, x, bounds=function.bounds)
    away = _ELSEWHERE * scale.own * rng.uniform(*SIZES, len(x))
    elsewhere = x + np.where(scale.inward < 0, -away, away)
    if not is_function:
        return Behaviour(copied(claim), (), 0)
    asked = observe(claim, [structure.build(x)], [structure.build(elsewhere)])
    function.budget.used += asked.calls
    return asked


def _name_single_entries(seen: Evidence, some: Combinations, jacobian: Any) -> None:
    """Tell of each tensor where one entry of the large Jacobian by it alone is wrong."""
    parts = dict(ends_of(jacobian))
    for each in (one.tensor for one in seen.verdicts):
        part = parts.get(each.name, jacobian if len(parts) == 1 else None)
        told = some.single_entry(each.name, each.worst, part)
        if isinstance(told, Finding):
            seen.named[each.name] = told
        elif told is not None:
            seen.answer.notes.append(told)


def _compare_with_truth(seen: Evidence, rtol: float | None, rng: np.random.Generator) -> None:
    """Put the verdicts into the evidence, and what they rest on."""
    function, gradient, names = seen.function, seen.gradient, seen.names
    if widen(function) and gradient is not None:
        _ask_in_wide_dtype(seen, gradient)
    eps = {name: _eps(name, seen) for name in names}
    check, steps = choose_method(function, seen.rows, eps, gradient, rtol, rng)
    seen.check, seen.steps = check, steps
    if steps is not None and stays_constant(check, steps):
        seen.verdicts = judge_constant(check, names)
    else:
        verdicts = judge_tensors(check, steps, names)
        seen.verdicts = forgive_symmetric(verdicts, check)
        if any(new is not old for new, old in zip(seen.verdicts, verdicts, strict=True)):
            seen.steps = None  # its direction is not symmetric
        elif steps is not None and np.any(steps.slope.kink):
            kinks = [kink for each in verdicts for kink in each.kinks]
            seen.steps = without_kinks(check, steps, kinks, names)
        seen.verdicts = within_stairs(check, seen.verdicts)
        after = "gave another value after calls elsewhere"
        seen.changed = seen.changed or _changed_since(function, seen.own, "state-from-last-call", after)
        if gradient is not None and any(each.wrong for each in seen.verdicts):
            rounded = gradient.at(function.point.astype(np.float32).astype(function.point.dtype))
            seen.in_float32 = None if rounded is None else rounded.comparable
    seen.gradient_calls += 0 if gradient is None else gradient.calls


def _at_the_point(function: FunctionOracle) -> Behaviour:
    """How the function behaves at the point, which is handed to it as the arrays of which it is made.

    A function that raises for arrays of another library is given NumPy's from then on, where it takes these.
    """
    structure, x = function.structure, function.point
    try:
        own = observe(function.code, [structure.build(x)], called="function")
    except Exception as error:  # of whatever kind: it is the user's
        if not structure.is_native:
            raise
        try:
            own = observe(function.code, [structure.plain.build(x)], called="function")
        except Exception:
            raise error from None
        function.structure = structure.plain
    function.count(own.calls)
    return own


def _is_like_the_point(value: Any, function: FunctionOracle) -> bool:
    """Whether the function gives an array of its point's shape, as a gradient does: its Jacobian is a Hessian."""
    point, (numbers, _) = function.structure.leaves[0], read_numbers(value)
    is_like = numbers is not None and numbers.shape == point.shape and point.size > 1
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


def _ask_in_wide_dtype(seen: Evidence, gradient: GradientOracle) -> None:
    """Put the gradient evaluated in the wide dtype into the evidence, if it returns that dtype."""
    gradient.wide = True
    answer, wide = gradient.at(seen.function.point), seen.function.structure.dtype
    gradient.wide = (
        answer is not None
        and set(answer.comparable) == set(seen.names)
        and all(array.dtype == wide for array in answer.tensors.values())
    )
    if answer is not None and gradient.wide:
        seen.rows = rows_of(answer, seen.function)


def _eps(name: str, seen: Evidence) -> float:
    """The rounding of the claim by a tensor: of the narrower of its own format and that of the point.

    A claim in the wide dtype whose numbers are all numbers of float32 was computed in float32.
    """
    structure = seen.function.structure
    if seen.gradient is not None and seen.gradient.wide:
        rows = seen.rows[:, structure.places[name]]
        with np.errstate(all="ignore"):
            is_single = bool(np.all(rows.astype(np.float32) == rows))
        return format_of(np.dtype(np.float32) if is_single else structure.dtype).eps
    return max(structure.format.eps, seen.answer.formats.get(name, structure.format).eps)


def _changed_since(function: FunctionOracle, own: Behaviour, kind: str, does: str) -> list[Finding]:
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
    return [found(kind, None, f"The function {does}: {seen}.")]

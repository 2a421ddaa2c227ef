"""Finding the lines of a hand-written backward pass that are wrong: `find_lines`.

lines = find_lines(step, params, inputs, labels)         # step(params, inputs, labels) -> (loss, gradients)
print(lines)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.answers import value_and_gradient
from backprop.check.calls import step_of, with_point
from backprop.check.kinds import Finding, found
from backprop.check.lines.program import Program
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.steps import search
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure, structure_of
from backprop.check.result import GradientCheck
from backprop.check.trees import copied

MAX_CALLS = 6000
"""The most calls of a search."""


def find_lines(
    function: Callable[..., Any],
    point: Any,
    *arguments: Any,
    max_calls: int = MAX_CALLS,
    rng: np.random.Generator | None = None,
    source: Callable[..., Any] | None = None,
) -> Lines:
    """The lines of the backward pass inside `function` that are wrong.

    function: called as `function(point, *arguments)`, gives (loss, gradients); without arguments it is called as
    `check_step` does, also with the parts of the point. It is written in Python, with NumPy, PyTorch or JAX. Its file
    is read, and those beside it that it imports; probes are put into their functions for the time of the search.
    point: the parameters, in the form that the gradients have: an array, or dicts, lists and tuples of arrays.
    max_calls: how often the function may be called. source: whose code is searched, where `function` only calls it.

    A line is named only where the true derivative in the place of its value makes wrong tensors right, in all its
    executions at once. Where nothing is wrong, no line is named. What cannot be searched is said in `note`.
    """
    structure, x = structure_of(point)
    program = Program(step_of(function, point, structure), structure, x, arguments, Budget(max_calls))
    return search(program, [source or function], rng=rng)


def find_lines_of_gradient(
    function: Callable[[Any], Any],
    gradient: Callable[[Any], Any],
    point: Any,
    *,
    max_calls: int = MAX_CALLS,
    rng: np.random.Generator | None = None,
) -> Lines:
    """The lines of `gradient` that are wrong, where it is to be the gradient of `function`: both are one program.

    The arguments are those of `backprop.check_gradient`; a gradient that returns (value, gradient) needs no other
    function, since its own forward pass is the one that its backward pass belongs to.
    """
    value_of, slopes_of = with_point(function, point), with_point(gradient, point)
    program, is_whole = program_of_gradient(value_of, slopes_of, *structure_of(point), Budget(max_calls))
    return search(program, [gradient], () if is_whole else [function], rng)


def program_of_gradient(
    function: Callable[[Any], Any],
    gradient: Callable[[Any], Any],
    structure: Structure,
    x: Array,
    budget: Budget,
) -> tuple[Program, bool]:
    """A function and its gradient as one program; whether the gradient is all of it, as it gives the value, too.

    The gradient is called once for that; raises `OutOfCalls` where no call is left.
    """
    if not budget.room(1):
        raise OutOfCalls
    budget.used += 1
    value, _ = value_and_gradient(copied(gradient(structure.build(x))), structure)
    if value is not None:
        return Program(lambda x: value_and_gradient(gradient(x), structure), structure, x, (), budget), True

    def both(x: Any) -> tuple[Any, Any]:
        return function(copied(x)), gradient(x)

    return Program(both, structure, x, (), budget), False


def with_lines(check: GradientCheck, look: Callable[[], Lines]) -> GradientCheck:
    """A check that says wrong, with the lines that are; of any other check no lines are looked for."""
    if check.verdict != "wrong":
        return check
    try:
        lines = look()
    except OutOfCalls:
        lines = Lines((), note="No calls of max_calls are left; expected some, to search the wrong line.")
    except Exception as error:  # code that cannot be searched leaves the verdict as it is
        lines = Lines((), note=f"The lines could not be searched: {type(error).__name__}: {error}.")
    if not (lines.wrong or lines.note):
        lines = replace(lines, note=_TOO_LITTLE)
    lines = replace(lines, lines=tuple(_with_proof(line, check) for line in lines))
    return replace(check, lines=lines, findings=tuple(_named(each, lines) for each in check.findings))


_TOO_LITTLE = "The error is too small to be told from rounding line by line, or lies at a kink."
_PATTERNS = ("unknown", "factor-along-axis", "factor-by-case", "constant-factor")
"""Kinds of a line that say how its value is off, and not why."""
_PROVEN = ("mask-of-ties", "epsilon", "wrong-layer-weights")
"""Kinds that a trial proves of a tensor: it changed the code or the point, and the tensor was right."""


def _with_proof(line: Line, check: GradientCheck) -> Line:
    """A line that has only a pattern; with the kind of its tensors where a trial has proven that they share one.

    A line of an edit has no kind of its own.
    """
    own = [each for each in check.findings if each.tensor in line.tensors]
    if line.kind not in _PATTERNS or len({each.kind for each in own}) != 1:
        return line
    if line.fix:
        return replace(line, kind=own[0].kind)
    if own[0].kind not in _PROVEN:
        return line
    message = line.message.removesuffix(line.evidence).rstrip()
    return replace(line, message=message, kind=own[0].kind, evidence=own[0].evidence)


def _named(finding: Finding, lines: Lines) -> Finding:
    """A finding that names no mistake, with the kind of the one line that makes its tensor wrong."""
    own = [line for line in lines if finding.tensor in line.tensors]
    if len(own) != 1 or own[0].kind == "unknown":
        return finding
    # Where all entries are ties, a mask of ties doubles every one of them.
    is_of_ties = (finding.kind, own[0].kind) == ("constant-factor", "mask-of-ties")
    if finding.kind != "unknown" and not is_of_ties:
        return finding
    return found(own[0].kind, finding.tensor, f"Line {own[0].line}: {own[0].message}", "likely")

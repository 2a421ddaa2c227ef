"""Finding the lines of a hand-written backward pass that are wrong: `find_lines`.

lines = find_lines(step, params, inputs, labels)         # step(params, inputs, labels) -> (loss, gradients)
print(lines)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.check.answers import value_and_gradient
from backprop.check.lines.choose import chosen
from backprop.check.lines.events import Event
from backprop.check.lines.explain import explain
from backprop.check.lines.groups import Group
from backprop.check.lines.program import NoSourceError, Outcome, Program, instrumented
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import Truth, put
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import structure_of
from backprop.check.trees import copied


def find_lines(
    function: Callable[..., Any],
    point: Any,
    *arguments: Any,
    max_calls: int = 2000,
    rng: np.random.Generator | None = None,
    source: Callable[..., Any] | None = None,
) -> Lines:
    """The lines of the backward pass inside `function` that are wrong.

    function: called as `function(point, *arguments)`, gives (loss, gradients); written in Python, with NumPy, PyTorch
    or JAX. Its file is read, and probes are put into its functions for the time of the search.
    point: the parameters, in the form that the gradients have: an array, or dicts, lists and tuples of arrays.
    max_calls: how often the function may be called. source: whose code is searched, where `function` only calls it.

    A line is named only where the true derivative in the place of its value makes wrong tensors right, in all its
    executions at once. Where nothing is wrong, no line is named.
    """
    return _search((source or function,), function, point, arguments, max_calls, rng)


def find_lines_of_gradient(
    function: Callable[[Any], Any],
    gradient: Callable[[Any], Any],
    point: Any,
    *,
    max_calls: int = 2000,
    rng: np.random.Generator | None = None,
) -> Lines:
    """The lines of `gradient` that are wrong, where it is to be the gradient of `function`: both are one program.

    The arguments are those of `backprop.check_gradient`; a gradient that returns (value, gradient) needs no other
    function, since its own forward pass is the one that its backward pass belongs to.
    """

    structure, x = structure_of(point)
    value, _ = value_and_gradient(copied(gradient(structure.build(x))), structure)
    if value is not None:
        return _search((gradient,), gradient, point, (), max_calls, rng)

    def both(x: Any) -> tuple[Any, Any]:
        return function(copied(x)), gradient(x)

    return _search((function, gradient), both, point, (), max_calls, rng)


def _search(
    sources: tuple[Callable[..., Any], ...],
    function: Callable[..., Any],
    point: Any,
    arguments: tuple[Any, ...],
    max_calls: int,
    rng: np.random.Generator | None,
) -> Lines:
    """Put probes into the sources, and look for the wrong lines of the function that calls them."""
    structure, x = structure_of(point)
    program = Program(function, structure, x, arguments, Budget(max_calls), form=point)
    try:
        with instrumented(*sources) as sites:
            return _found(program, sites, np.random.default_rng(0) if rng is None else rng)
    except NoSourceError as error:
        return Lines((), note=str(error))


def _found(program: Program, sites: Sequence[Site], rng: np.random.Generator) -> Lines:
    program.widen()
    base, again = program.run(wanted=None), program.run()
    budget = program.budget
    if base is None or again is None:
        return Lines((), note="The function gave no (loss, gradients) with a finite loss.", calls=budget.used)
    if again.loss != base.loss and abs(again.loss - base.loss) > 1e-9 * abs(base.loss):
        seen = f"Equal calls gave the losses {base.loss:.10g} and {again.loss:.10g}"
        return Lines((), note=f"{seen}; expected one loss, to look for the wrong line.", calls=budget.used)
    wrong: tuple[str, ...] = ()
    lines: list[Line] = []
    note = ""
    try:
        wrong, lines = _rounds(program, base, sites, rng)
    except OutOfCalls as stopped:
        note = f"The search took all its {budget.limit} calls; expected a larger max_calls to end it."
        wrong, lines = stopped.args or ((), [])
    placed = {name for line in lines for name in line.tensors}
    return Lines(tuple(lines), wrong, tuple(n for n in wrong if n not in placed), note, budget.used)


def _rounds(
    program: Program, base: Outcome, sites: Sequence[Site], rng: np.random.Generator
) -> tuple[tuple[str, ...], list[Line]]:
    """The wrong tensors and the wrong lines: where there are several, the truth is put into the first, and so on."""
    lines: dict[Event, Line] = {}
    wrong: tuple[str, ...] = ()
    try:
        for turn in range(_MOST_ROUNDS):
            truth = Truth(program, base, rng)
            left = frozenset(name for name in program.structure.names if truth.is_wrong(name))
            wrong = tuple(name for name in program.structure.names if name in left) if turn == 0 else wrong
            if not left:
                break
            search = Search(truth, groups_of(base, sites), left)
            search.split()
            repairs = chosen(list(search.repairs()), search)
            if len(repairs) != 1 or left - repairs[0].tensors:  # several mistakes, which hide one another
                repairs = chosen(list(search.repairs(apart=True)), search)
            inner = [each for each in repairs if each.target.group is not None]
            is_last = len(repairs) <= 1 or not inner or not put_right(inner[0], truth)
            for repair in repairs if is_last else inner[:1]:
                lines[repair.event] = explain(repair, search)
            again = None if is_last else program.run(wanted=None)
            if again is None:
                break
            base = again
    except OutOfCalls:
        raise OutOfCalls(wrong, [lines[event] for event in lines]) from None
    order = {event: k for k, event in enumerate(base.values)}
    return wrong, [lines[event] for event in sorted(lines, key=lambda event: order.get(event, 0))]


_MOST_ROUNDS = 4
_MOST_ENTRIES = 400
"""Entries of the truth that are asked for one by one, to go on with it."""


def put_right(repair: Repair, truth: Truth, most: int = _MOST_ENTRIES) -> bool:
    """Put the truth in the place of a wrong value, in every run from now on; False where it takes too many calls."""
    sizes = [truth.base.values[ahead].size for _, ahead in repair.pairs]
    if sum(sizes) > most or not truth.program.budget.room(2 * sum(sizes)):
        return False
    for back, ahead in repair.pairs:
        shape, size = truth.base.values[ahead].shape, truth.base.values[ahead].size
        entries = [truth.slope_of("", ahead, v, is_tensor=False) for v in np.eye(size)]
        truth.program.repaired[back] = put(np.reshape(entries, shape) / repair.factor)
    return True


def groups_of(base: Outcome, sites: Sequence[Site]) -> list[Group]:
    """The executions of each site in a run, in the order of the first."""
    unchanged, found = base.recorder.unchanged, dict[int, list[Event]]()
    for event in base.values:
        found.setdefault(event[0], []).append(event)
    groups = [Group(sites[number], tuple(events)) for number, events in found.items()]
    return [group for group in groups if not unchanged.issuperset(group.events)]

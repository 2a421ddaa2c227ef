"""Finding the lines of a hand-written backward pass that are wrong: `find_lines`.

lines = find_lines(step, params, inputs, labels)         # step(params, inputs, labels) -> (loss, gradients)
print(lines)
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.check.lines.choose import chosen
from backprop.check.lines.explain import explain
from backprop.check.lines.groups import Group
from backprop.check.lines.program import NoSourceError, Program, instrumented
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import Truth
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import structure_of


def find_lines(
    function: Callable[..., Any],
    point: Any,
    *arguments: Any,
    max_calls: int = 2000,
    rng: np.random.Generator | None = None,
) -> Lines:
    """The lines of the backward pass inside `function` that are wrong.

    function: called as `function(point, *arguments)`, gives (loss, gradients); written in Python, with NumPy, PyTorch
    or JAX. Its file is read, and probes are put into its functions for the time of the search.
    point: the parameters, in the form that the gradients have: an array, or dicts, lists and tuples of arrays.
    max_calls: how often the function may be called.

    A line is named only where the true derivative in the place of its value makes wrong tensors right, in all its
    executions at once. Where nothing is wrong, no line is named.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    structure, x = structure_of(point)
    program = Program(function, structure, x, arguments, Budget(max_calls), form=point)
    try:
        with instrumented(function) as sites:
            return _found(program, sites, rng)
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
    truth = Truth(program, base, rng)
    wrong: tuple[str, ...] = ()
    repairs: list[Repair] = []
    note = ""
    lines: list[Line] = []
    try:
        wrong = tuple(name for name in program.structure.names if truth.is_wrong(name))
        if not wrong:
            return Lines((), calls=budget.used)
        search = Search(truth, _groups(base.recorder.unchanged, base.values, sites), frozenset(wrong))
        search.split()
        repairs = chosen(list(search.repairs()), search)
    except OutOfCalls:
        note = f"The search took all its {budget.limit} calls; expected a larger max_calls to end it."
    budget.limit += _EXPLAINED
    for repair in repairs:
        lines.append(explain(repair, search, linecache.getline(repair.group.site.path, repair.group.site.line)))
    placed = {name for repair in repairs for name in repair.tensors}
    return Lines(tuple(lines), wrong, tuple(n for n in wrong if n not in placed), note, budget.used)


_EXPLAINED = 200
"""Calls beyond the limit, to say what is wrong with the lines that were found."""


def _groups(unchanged: set[Any], values: dict[Any, Any], sites: Sequence[Site]) -> list[Group]:
    """The executions of each site, in the order of the first."""
    found: dict[int, list[Any]] = {}
    for event in values:
        found.setdefault(event[0], []).append(event)
    groups = [Group(sites[number], tuple(events)) for number, events in found.items()]
    return [group for group in groups if not unchanged.issuperset(group.events)]

"""The search for wrong lines in steps: what an edit makes right is mended, and the rest looked for in that code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backprop.blas import limited_to
from backprop.check.lines.events import Event
from backprop.check.lines.exchange import Exchange, functions_kept, instrumented
from backprop.check.lines.expressions import Edit
from backprop.check.lines.probes import instrument
from backprop.check.lines.program import Outcome, Program, random_numbers_kept
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.rewritten import rewritten
from backprop.check.lines.sites import Site
from backprop.check.lines.step import NO_LINE, Step
from backprop.check.lines.suspects import says_why
from backprop.check.oracle import OutOfCalls
from backprop.errors import CheckError

_MOST_RUNS = 2000
"""The most calls of a step beside those with edits: with more of these more lines are named, and a smaller share of
them are wrong."""
_MOST_STEPS = 3


def search(
    program: Program,
    sources: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]] = (),
    rng: np.random.Generator | None = None,
) -> Lines:
    """Put probes into the sources, and into `also` where that can be; look for the wrong lines of the program."""
    with functions_kept():
        return search_in(program, partial(instrumented, sources, also), rng)


def search_in(
    program: Program,
    exchange: Exchange,
    rng: np.random.Generator | None = None,
    events: Mapping[str, Event] | None = None,
) -> Lines:
    """Look for the wrong lines of a program whose code is exchanged; events: as of `Step`.

    Where an edit makes only some of the wrong tensors right, the next step looks for the others in the code with this
    edit. Where events are given, there is one step: they belong to the code as it is.
    """
    start, given = program.budget.used, program.budget.limit
    found, edits = list[Lines](), list[Edit]()
    order: dict[tuple[str, int], int] = {}
    one: list[Line] = []
    for _ in range(_MOST_STEPS if events is None else 1):
        with random_numbers_kept():
            lines, step = _step(program, rewritten(exchange, edits), rng, events)
        found.append(lines)
        program.budget.limit = given
        if step is None or step.edit is None:
            break
        one = one if edits or not says_why(step.one) else step.one
        edits.append(step.edit)
        for event in step.rounds.order:
            site = step.sites[event[0]]
            order.setdefault((site.path, site.line), len(order))
        program = program.as_written()
    # One line that explains all is more likely than several, unless parts replaced in these do make all right.
    last = step.mending.edits[:1] if step is not None and step.is_whole else ()
    if one and not (last and all(edit.rank == 0 for edit in (*edits, *last))):
        found = [replace(found[0], lines=tuple(one))]
    by_line = {(line.file, line.line): line for lines in reversed(found) for line in lines}
    in_order = sorted(by_line.values(), key=lambda line: order.get((line.file, line.line), 0))
    every = tuple(in_order) if len(found) > 1 else found[0].lines
    placed = {name for line in every for name in line.tensors}
    return replace(
        found[-1],
        lines=every,
        wrong=found[0].wrong,
        unplaced=tuple(name for name in found[0].wrong if name not in placed),
        calls=program.budget.used - start,
    )


def _step(
    program: Program,
    exchange: Exchange,
    rng: np.random.Generator | None,
    events: Mapping[str, Event] | None,
) -> tuple[Lines, Step | None]:
    """One step, and what it has seen: the edits are tried between two looks with probes."""
    own, start, given = list[Step](), program.budget.used, program.budget.limit

    def begin(sites: Mapping[int, Site], rng: np.random.Generator) -> Lines:
        own.append(Step(program, begun(program, sites), sites, rng, events))
        own[0].begin()
        return Lines(())

    def look(*_: Any) -> Lines:
        return found_from(own[0], start)

    lines = with_probes(begin, program, exchange, rng)
    if lines.note or not own[0].wrong:
        return lines, None
    own[0].mend(exchange)
    if events is None:
        program.budget.limit = min(given, program.budget.used + _MOST_RUNS)
    lines = with_probes(look, program, exchange, rng)
    if lines.note == too_few(program) and program.budget.limit < given:
        note = f"The search ended after {lines.calls} calls: there may be several mistakes."
        lines = replace(lines, note=note)
    return lines, own[0]


def with_probes(
    look: Callable[[Mapping[int, Site], np.random.Generator], Lines],
    program: Program,
    exchange: Exchange,
    rng: np.random.Generator | None,
) -> Lines:
    """What `look` finds while there are probes in the code; why nothing can be found, as a note."""
    if any(leaf.is_complex for leaf in program.structure.leaves):
        return Lines(
            (), note="The point has complex numbers; expected real ones, to look for the wrong line."
        )
    start = program.budget.used
    try:
        with limited_to(1), exchange(instrument) as sites:
            return look(sites, np.random.default_rng(0) if rng is None else rng)
    except CheckError as error:
        return Lines((), note=str(error), calls=program.budget.used - start)
    except OutOfCalls:
        return Lines((), note=too_few(program), calls=program.budget.used - start)


def too_few(program: Program) -> str:
    """Why a search has no end."""
    limit = program.budget.limit
    return f"All calls of max_calls, {limit}, are used; expected more, to end the search for the wrong line."


def found_from(step: Step, start: int) -> Lines:
    """The wrong lines that a step finds; start: the calls that were used before it."""
    program = step.truth.program
    step.look()
    placed = {name for line in step.lines for name in line.tensors}
    unplaced = tuple(name for name in step.wrong if name not in placed)
    note = too_few(program) if step.is_stopped else ""
    return Lines(tuple(step.lines), step.wrong, unplaced, note, program.budget.used - start)


def begun(program: Program, sites: Mapping[int, Site]) -> Outcome:
    """The run without any change, with all events; raises `CheckError` where there is nothing to search."""
    if program.prepare is not None:
        program.prepare(program, sites)
    program.widen()
    base, again = program.run(wanted=None), program.run()
    if base is None or again is None:
        raise CheckError(
            f"{program.refused}; expected (loss, gradients) with a finite loss, to find the line."
        )
    if not base.values:
        raise CheckError(NO_LINE)
    if abs(again.loss - base.loss) > _EQUAL * abs(base.loss):
        seen = f"Equal calls gave the losses {base.loss:.10g} and {again.loss:.10g}"
        raise CheckError(f"{seen}; expected one loss, to look for the wrong line.")
    return base


_EQUAL = 1e-9
"""Of the loss: what rounding may change between equal calls."""

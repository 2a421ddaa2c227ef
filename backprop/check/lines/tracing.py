"""Tracing: what the value of each line of a backward pass is, for a trace."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.calls import step_of
from backprop.check.lines.events import Event, put
from backprop.check.lines.exchange import instrumented
from backprop.check.lines.find import MAX_CALLS
from backprop.check.lines.groups import Group
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.steps import begun, search, too_few, with_probes
from backprop.check.lines.trace import Mark, Step, Trace
from backprop.check.lines.truth import Truth
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import structure_of
from backprop.check.words import is_gradient_of


def trace_lines(
    function: Callable[..., Any],
    point: Any,
    *arguments: Any,
    max_calls: int = MAX_CALLS,
    rng: np.random.Generator | None = None,
    source: Callable[..., Any] | None = None,
) -> Trace:
    """The whole backward pass inside `function`, right or wrong; the arguments are those of `find_lines`."""
    structure, x = structure_of(point)
    program = Program(step_of(function, point, structure), structure, x, arguments, Budget(max_calls))
    return trace(program, [source or function], rng=rng)


def trace(
    program: Program,
    sources: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]] = (),
    rng: np.random.Generator | None = None,
) -> Trace:
    """Put probes into the sources, and into `also` where that can be; tell what the values of the lines are."""
    steps: list[Step] = []

    def look(sites: Mapping[int, Site], rng: np.random.Generator) -> Lines:
        try:
            steps.extend(_Tracer(program, begun(program, sites), sites, rng, lines).steps())
        except OutOfCalls:
            return replace(lines, note=too_few(program))
        return lines

    lines = search(program, sources, also, rng)
    program = program.as_written()
    if lines.wrong or not lines.note:
        lines = with_probes(look, program, partial(instrumented, sources, also), rng)
    return Trace(tuple(steps), lines)


def steps_of(program: Program, base: Outcome, sites: Mapping[int, Site], lines: Lines) -> tuple[Step, ...]:
    """The steps of a program whose wrong lines are known; raises `OutOfCalls` where no call is left."""
    return tuple(_Tracer(program, base, sites, np.random.default_rng(0), lines).steps())


class _Tracer:
    """Recognises the values of the backward pass."""

    def __init__(
        self,
        program: Program,
        base: Outcome,
        sites: Mapping[int, Site],
        rng: np.random.Generator,
        lines: Lines,
    ) -> None:
        self.truth, self.values = Truth(program, base, rng), base.values
        self.search = Search.begun(self.truth, sites, frozenset(lines.wrong))
        self.order = self.search.order
        self.wrong = {(line.file, line.line): line for line in lines}
        self.follows = {line: self._follows(line) for line in lines}

    def _follows(self, line: Line) -> set[Event]:
        """The events that change with the value of a wrong line."""
        events = [e for group in self.search.sides.backward if _is_at(group.site, line) for e in group.events]
        changes = {event: put(self.truth.rng.standard_normal(self.values[event].shape)) for event in events}
        other = self.truth.program.run(changes=changes, wanted=frozenset(self.values))
        after = other.values if other else self.values
        return {
            e for e, value in self.values.items() if e not in after or not np.array_equal(after[e], value)
        }

    def steps(self) -> list[Step]:
        """A step for each line that assigns, from the first one whose value is a derivative, or wrong, on."""
        named = [group for group in self.search.sides.backward if self._is_shown(group.site)]
        named.sort(key=lambda group: self.order[group.events[0]])
        known = {group: self._known(group) for group in named}
        last = {group.site.name: group for group in named if known[group]}
        rows: dict[tuple[str, int], Step] = {}
        for group in named:
            step = self._step(group, known[group], last.get(group.site.name))
            place = step.file, step.line
            if place not in rows or rows[place].mark == "none":
                rows[place] = step
        return list(itertools.dropwhile(lambda step: step.mark == "none", rows.values()))

    def _is_shown(self, site: Site) -> bool:
        return (site.path, site.line) in self.wrong or bool(site.name and not site.is_kept)

    def _step(self, group: Group, known: _Known | None, last: Group | None) -> Step:
        mark, said = self._mark(group, known, last)
        ahead = known.group.site if known and known.group and mark == "right" else None
        return Step(
            group.site.path,
            group.site.line,
            _source(group.site),
            mark,
            said,
            _shown(self.values[group.events[-1]]),
            ahead.line if ahead else 0,
            _source(ahead) if ahead else "",
            _shown(self.values[known.event]) if known and ahead else "",
        )

    def _mark(self, group: Group, known: _Known | None, last: Group | None) -> tuple[Mark, str]:
        event = group.events[-1]
        wrong = self.wrong.get((group.site.path, group.site.line))
        if wrong is not None:
            return "wrong", wrong.message
        cause = next((line for line, events in self.follows.items() if event in events), None)
        if known is not None and (known.factor == 1 or cause is None):
            return "right", known.words
        if last is not None and self.order[last.events[-1]] > self.order[event]:
            return "none", f"{group.site.name} is complete in line {last.site.line}"
        if cause is not None and np.any(self.values[event]):
            return "wrong", f"{f'{known.words}, ' if known else ''}wrong as line {cause.line} is"
        return "none", "not a derivative"

    def _known(self, group: Group) -> _Known | None:
        """What a value of a group, the last one where that can be, is recognised as."""
        for event in group.events[::-1]:
            found = [*self._tensors(event), *self._events(event, group.site.stem)]
            if found:
                return max(found, key=lambda each: self._rank(each, group))
        return None

    def _rank(self, known: _Known, group: Group) -> tuple[bool, bool, bool, bool, int]:
        """Of several derivatives that are equal, the one of the value's name, of a variable, and the latest."""
        is_named = is_gradient_of(group.site.stem, stem(known.name) or known.name)
        site = None if known.group is None else known.group.site
        is_value, is_variable = site is None or not site.is_use, site is None or bool(site.name)
        return known.factor == 1, is_named, is_value, is_variable, self.order.get(known.event, -1)

    def _tensors(self, event: Event) -> Iterator[_Known]:
        value = self.values[event]
        for leaf in self.truth.program.structure.leaves:
            if value.shape == leaf.shape and np.any(value) and self.truth.is_right(leaf.name, value):
                yield _Known(leaf.name, 1.0, (-1, 0), None)

    def _events(self, event: Event, name: str) -> Iterator[_Known]:
        """The forward events of which a value is the derivative; a multiple only under its name."""
        value = self.values[event]
        for group in self.search.sides.forward if value.size > 1 else ():
            is_named, of = is_gradient_of(name, group.site.stem), group.site.stem or group.site.text
            for ahead in group.events:
                factor = self.truth.factor(value, ahead)
                if factor is not None and (is_named or factor == 1):
                    yield _Known(of, factor, ahead, group)
                elif is_named and np.any(value) and self.truth.is_zero(value, ahead):
                    yield _Known(of, 1.0, ahead, group)


def _is_at(site: Site, line: Line) -> bool:
    return (site.path, site.line, site.column, site.text) == (line.file, line.line, line.column, line.text)


@dataclass(frozen=True)
class _Known:
    """What a value is: factor · dL/d(name), `name` a tensor of the point, or the value of an event of a group."""

    name: str
    factor: float
    event: Event
    group: Group | None

    @property
    def words(self) -> str:
        times = "" if self.factor == 1 else f"{self.factor:.4g} · "
        if self.group is None:
            return f"{times}dL/d({self.name})"
        site = self.group.site
        part = ", the part that comes from" if site.is_use else f", {site.stem} of" if site.name else " of"
        return f"{times}dL/d({self.name}){part} line {site.line}"


def _source(site: Site) -> str:
    return linecache.getline(site.path, site.line).strip()


_ENTRIES = 3


def _shown(value: Array) -> str:
    """The first entries of a value, and its shape."""
    entries = ", ".join(f"{each:.4g}" for each in value.reshape(-1)[:_ENTRIES])
    if value.size == 1:
        return entries
    more = ", …" if value.size > _ENTRIES else ""
    return f"{entries}{more} {'×'.join(map(str, value.shape))}"

"""The trace of a backward pass: what the value of each of its lines is, with the forward line it belongs to.

    ✓  dz2 = (p - t) / n         dL/d(z2), z2 of line 9
    ✗  dz1 = da1                 dz1 is to be dL/d(z1), z1 of line 7. It equals dL/d(a1), …
    ·  t = np.eye(10)[y]         not a derivative

A value is recognised where it agrees with the slopes of the loss along two random directions of a forward value.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any, Literal

import numpy as np

from backprop.arrays import Array
from backprop.check.calls import step_of
from backprop.check.lines.events import Event, put
from backprop.check.lines.find import begun, found_from, too_few, with_probes
from backprop.check.lines.groups import Group, groups_of
from backprop.check.lines.naming import called
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.result import Line, Lines, beside, from_plain
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.truth import DIRECTIONS, Truth
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import structure_of
from backprop.check.words import is_gradient_of

Mark = Literal["right", "wrong", "none"]
MARKS: dict[str, str] = {"right": "✓", "wrong": "✗", "none": "·"}


@dataclass(frozen=True)
class Step:
    """A line of the backward pass.

    mark: "right" where its value is recognised as a derivative, "wrong" where it is not the one that it is to be,
    "none" where it is no derivative. said: which one, or what is wrong. value: some of its entries, and its shape.
    of, forward, forward_value: the line of the forward pass to which the derivative belongs, its source and its
    value; 0 and empty where there is none.
    """

    file: str
    line: int
    source: str
    mark: str
    said: str
    value: str
    of: int = 0
    forward: str = ""
    forward_value: str = ""


@dataclass(frozen=True)
class Trace:
    """The backward pass, line by line, in the order in which it runs. lines: those that are wrong, and notes."""

    steps: tuple[Step, ...]
    lines: Lines

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trace:
        """The trace of `to_dict`; raises `TypeError`, `ValueError` or `KeyError` for what is none."""
        return cls(tuple(from_plain(Step, each) for each in data["steps"]), Lines.from_dict(data["lines"]))

    def __str__(self) -> str:
        parts = []
        for file in dict.fromkeys(step.file for step in self.steps):
            parts.append(f"The backward pass in {called(file)}:\n")
            mine = (step for step in self.steps if step.file == file)
            parts += [beside(step.line, step.source, step.said, MARKS[step.mark]) for step in mine]
        if self.lines.note:
            parts.append(self.lines.note)
        return "\n".join(parts) or "No line of a backward pass was seen to run."

    def _repr_html_(self) -> str:
        """A table: each line of the backward pass beside the line of the forward pass that it belongs to."""
        head = "".join(f"<th>{each}</th>" for each in _HEAD)
        body = "".join(f"<tr>{''.join(_cells(step))}</tr>" for step in self.steps)
        note = f"<p>{escape(self.lines.note)}</p>" if self.lines.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def page(self, title: str) -> str:
        """The table as a page of its own."""
        head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        return (
            f"<!doctype html><html><head>{head}</head><body><h1>{escape(title)}</h1>{self._repr_html_()}"
            "</body></html>\n"
        )


_HEAD = ("", "", "backward", "is", "value", "", "forward", "value")
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem}table{border-collapse:collapse}"
    "td,th{padding:.25rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #d0d7de}"
    ".right{color:#1a7f37}.wrong{color:#cf222e}.none,small{color:#57606a}"
)


def _cells(step: Step) -> Iterator[str]:
    yield f'<td class="{step.mark}">{MARKS[step.mark]}</td><td>{step.line}</td>'
    yield f"<td><code>{escape(step.source)}</code></td><td>{escape(step.said)}</td>"
    yield f"<td><small>{escape(step.value)}</small></td><td>{step.of or ''}</td>"
    yield f"<td><code>{escape(step.forward)}</code></td><td><small>{escape(step.forward_value)}</small></td>"


def trace_lines(
    function: Callable[..., Any],
    point: Any,
    *arguments: Any,
    max_calls: int = 4000,
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
        base = begun(program, sites)
        lines = found_from(program, base, sites, rng)
        program.repaired.clear()
        program.believed.clear()
        try:
            steps.extend(_Tracer(program, base, sites, rng, lines).steps())
        except OutOfCalls:
            return replace(lines, note=too_few(program))
        return lines

    lines = with_probes(look, program, sources, also, rng)
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
        groups = groups_of(base, sites)
        self.search = Search(self.truth, groups, frozenset(lines.wrong))
        self.search.split()
        self.order = self.search.order
        self.wrong = {(line.file, line.line): line for line in lines}
        self.follows = {line: self._follows(line) for line in lines}

    def _follows(self, line: Line) -> set[Event]:
        """The events that change with the value of a wrong line."""
        events = [e for group in self.search.backward if _is_at(group.site, line) for e in group.events]
        changes = {event: put(self.truth.rng.standard_normal(self.values[event].shape)) for event in events}
        other = self.truth.program.run(changes=changes, wanted=frozenset(self.values))
        after = other.values if other else self.values
        return {
            e for e, value in self.values.items() if e not in after or not np.array_equal(after[e], value)
        }

    def steps(self) -> list[Step]:
        """A step for each line that assigns, from the first one whose value is a derivative, or wrong, on."""
        named = [group for group in self.search.backward if self._is_shown(group.site)]
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
        for group in self.search.forward if value.size > 1 else ():
            is_named, of = is_gradient_of(name, group.site.stem), group.site.stem or group.site.text
            for ahead in group.events:
                factor = self.truth.factor(value, ahead)
                if factor is not None and (is_named or factor == 1):
                    yield _Known(of, factor, ahead, group)
                elif is_named and self._is_zero(value, ahead):
                    yield _Known(of, 1.0, ahead, group)

    def _is_zero(self, value: Array, ahead: Event) -> bool:
        """Whether a value is zero to rounding, and the derivative by an event is."""
        if value.shape != self.values[ahead].shape or not np.any(value):
            return False
        sides = [self.truth.event_slope(ahead, j) for j in range(DIRECTIONS)]
        noise = 10 * self.truth.noise
        return all(abs(slope) <= noise and abs(np.vdot(value, w)) <= noise for w, slope in sides)


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

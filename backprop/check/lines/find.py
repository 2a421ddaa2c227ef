"""Finding the lines of a hand-written backward pass that are wrong: `find_lines`.

lines = find_lines(step, params, inputs, labels)         # step(params, inputs, labels) -> (loss, gradients)
print(lines)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.blas import limited_to
from backprop.check.answers import value_and_gradient
from backprop.check.kinds import Finding, found
from backprop.check.lines.choose import chosen
from backprop.check.lines.events import Change, Event
from backprop.check.lines.explain import explain
from backprop.check.lines.groups import Group
from backprop.check.lines.program import Outcome, Program, instrumented
from backprop.check.lines.result import Line, Lines
from backprop.check.lines.search import Repair, Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import Truth, put
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure, structure_of
from backprop.check.result import GradientCheck
from backprop.check.trees import copied
from backprop.errors import CheckError


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
    or JAX. Its file is read, and those beside it that it imports; probes are put into their functions for the time of
    the search.
    point: the parameters, in the form that the gradients have: an array, or dicts, lists and tuples of arrays.
    max_calls: how often the function may be called. source: whose code is searched, where `function` only calls it.

    A line is named only where the true derivative in the place of its value makes wrong tensors right, in all its
    executions at once. Where nothing is wrong, no line is named. What cannot be searched is said in `note`.
    """
    structure, x = structure_of(point)
    program = Program(function, structure, x, arguments, Budget(max_calls))
    return search(program, [source or function], rng=rng)


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
    program, is_whole = program_of_gradient(function, gradient, *structure_of(point), Budget(max_calls))
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
    return replace(check, lines=lines, findings=tuple(_named(each, lines) for each in check.findings))


_TOO_LITTLE = "What is wrong is less than the search for lines tells from rounding, or lies at a kink."


def _named(finding: Finding, lines: Lines) -> Finding:
    """A finding; where it has no name for a mistake, and the one line that is wrong has one, that of the line."""
    own = [line for line in lines if finding.tensor in line.tensors]
    if finding.kind != "unknown" or len(own) != 1 or own[0].kind == "unknown":
        return finding
    return found(own[0].kind, finding.tensor, f"Line {own[0].line}: {own[0].message}", "likely")


def search(
    program: Program,
    sources: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]] = (),
    rng: np.random.Generator | None = None,
) -> Lines:
    """Put probes into the sources, and into `also` where that can be; look for the wrong lines of the program."""

    def look(sites: Mapping[int, Site], rng: np.random.Generator) -> Lines:
        return found_from(program, begun(program, sites), sites, rng)

    return with_probes(look, program, sources, also, rng)


def with_probes(
    look: Callable[[Mapping[int, Site], np.random.Generator], Lines],
    program: Program,
    sources: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]],
    rng: np.random.Generator | None,
) -> Lines:
    """What `look` finds while there are probes in the sources; why nothing can be found, as a note."""
    if any(leaf.is_complex for leaf in program.structure.leaves):
        return Lines(
            (), note="The point has complex numbers; expected real ones, to look for the wrong line."
        )
    start = program.budget.used
    try:
        with limited_to(1), instrumented(sources, also) as sites:
            return look(sites, np.random.default_rng(0) if rng is None else rng)
    except CheckError as error:
        return Lines((), note=str(error), calls=program.budget.used - start)
    except OutOfCalls:
        return Lines((), note=too_few(program), calls=program.budget.used - start)


def too_few(program: Program) -> str:
    """Why a search has no end."""
    limit = program.budget.limit
    return f"All calls of max_calls, {limit}, are used; expected more, to end the search for the wrong line."


def found_from(program: Program, base: Outcome, sites: Mapping[int, Site], rng: np.random.Generator) -> Lines:
    """The wrong lines; `base` is the run without any change."""
    left = program.budget.left
    rounds = _Rounds(program, base, sites, rng)
    try:
        rounds.run()
    except OutOfCalls:
        rounds.is_stopped = True
    placed = {name for line in rounds.lines for name in line.tensors}
    unplaced = tuple(name for name in rounds.wrong if name not in placed)
    note = too_few(program) if rounds.is_stopped else ""
    return Lines(tuple(rounds.lines), rounds.wrong, unplaced, note, left - program.budget.left)


def begun(program: Program, sites: Mapping[int, Site]) -> Outcome:
    """The run without any change, with all events; raises `CheckError` where there is nothing to search."""
    if program.prepare is not None:
        program.prepare(program, sites)
    program.widen()
    base, again = program.run(wanted=None), program.run()
    if base is None or again is None:
        raise CheckError(
            "The function gave no (loss, gradients) with a finite loss; expected one, to find the line."
        )
    if not base.values:
        raise CheckError(_NO_LINE)
    if abs(again.loss - base.loss) > _EQUAL * abs(base.loss):
        seen = f"Equal calls gave the losses {base.loss:.10g} and {again.loss:.10g}"
        raise CheckError(f"{seen}; expected one loss, to look for the wrong line.")
    return base


_NO_LINE = "No line of a backward pass was seen to run, as of compiled code; expected code that Python runs."
_EQUAL = 1e-9
"""Of the loss: what rounding may change between equal calls."""


class _Rounds:
    """The search in rounds: where there are several mistakes, the truth is put in the place of one after another."""

    def __init__(
        self, program: Program, base: Outcome, sites: Mapping[int, Site], rng: np.random.Generator
    ) -> None:
        self.truth, self.sites, self.names = Truth(program, base, rng), sites, program.structure.names
        self.wrong: tuple[str, ...] = ()
        self.found: dict[int, tuple[Event, Line]] = {}
        self.order = {event: k for k, event in enumerate(base.values)}
        self.is_forward: dict[tuple[Event, ...], bool] = {}
        self.is_stopped = False

    @property
    def lines(self) -> list[Line]:
        """The wrong lines, in the order in which they run."""
        found = sorted(self.found.values(), key=lambda each: self.order.get(each[0], 0))
        return [line for _, line in found]

    def run(self) -> None:
        """Look for the lines; raises `OutOfCalls` where no call is left for what was begun."""
        truth, left, new = self.truth, frozenset[str](), set[int]()
        for turn in range(_MOST_ROUNDS):
            before, left = left, frozenset(name for name in self.names if truth.is_wrong(name))
            for number in new:
                event, line = self.found[number]
                fixed = tuple(name for name in self.names if name in before - left | set(line.tensors))
                self.found[number] = event, replace(line, tensors=fixed)
            if turn == 0:
                self.wrong = tuple(name for name in self.names if name in left)
            if not left:
                return
            groups = groups_of(truth.base.recorder.unchanged, truth.base.values, self.sites)
            search = Search(truth, groups, left, is_forward=self.is_forward, sites=self.sites)
            search.split()
            if not search.backward and turn == 0:
                raise CheckError(_NO_LINE)
            new = self._named(search)
            again = truth.program.run(wanted=None) if new else None
            if again is None:
                return
            truth.base = again

    def _named(self, search: Search) -> set[int]:
        """Name lines; the numbers of their places where there may be more, and the truth is put in their place."""
        repairs = chosen(self._some(search.repairs(), _KEPT_FOR_SEVERAL), search)
        if len(repairs) == 1 and repairs[0].tensors >= search.wrong:
            self.is_stopped = False
            self._add(repairs, search)
            return set()
        for name in self._finished_first(search):  # several mistakes, which hide one another
            if any(name in line.tensors for _, line in self.found.values()):
                continue
            own = replace(search, wrong=frozenset([name]), others=search.wrong - {name})
            repairs = chosen(self._some(own.repairs(apart=True), _KEPT), own)
            self._add(repairs, own)
            if self.is_stopped:
                return set()
            if repairs and all(put_right(each, self.truth) for each in repairs):
                return {each.site.number for each in repairs}
        return set()

    def _add(self, repairs: list[Repair], search: Search) -> None:
        """Name the lines of the repairs; where a line is named again, for another tensor, the plainer words stay."""
        for repair in repairs:
            event, line = self.found.get(repair.site.number, (repair.event, None))
            new = explain(repair, search)
            if line is not None:
                both = {*line.tensors, *new.tensors}
                plainer = (
                    new if _PLAIN.fullmatch(new.should_be) and not _PLAIN.fullmatch(line.should_be) else line
                )
                new = replace(plainer, tensors=tuple(name for name in self.names if name in both))
            self.found[repair.site.number] = event, new

    def _some(self, repairs: Iterator[Repair], share: float) -> list[Repair]:
        """The repairs that are found while more than a share of all calls is left."""
        found, budget = list[Repair](), self.truth.program.budget
        kept = min(int(share * budget.limit), budget.left)
        budget.limit -= kept
        self.is_stopped = False
        try:
            found.extend(repairs)
        except OutOfCalls:
            self.is_stopped = True
        finally:
            budget.limit += kept
        return found

    def _finished_first(self, search: Search) -> list[str]:
        """The wrong tensors in the order in which their gradients got their last values."""
        values, gradient = search.truth.base.values, search.truth.base.gradient

        def place(name: str) -> int:
            final = gradient.get(name, np.empty(0)).ravel()
            equal = (
                e
                for group in search.backward
                for e in group.events
                if np.array_equal(values[e].ravel(), final)
            )
            return min((search.order[event] for event in equal), default=len(values))

        return sorted(search.names(search.wrong), key=place)


_PLAIN = re.compile(r"dL/d\(\w+\)")
"""The derivative of a variable, not of an expression."""
_KEPT, _KEPT_FOR_SEVERAL = 0.15, 0.5
"""Of all calls: for the choice among the repairs that were found; and to look for several mistakes, one by one."""
_MOST_ROUNDS = 6
_MOST_ENTRIES = 400
"""Entries of the truth that are asked for one by one, to go on with it."""


def put_right(repair: Repair, truth: Truth) -> bool:
    """Put the truth in the place of a wrong value, in every run from now on; False where it takes too many calls."""
    if repair.values:
        events = (back for back, _ in repair.pairs)
        truth.program.repaired |= {e: put(new) for e, new in zip(events, repair.values, strict=True)}
        return True
    is_tensor = repair.target.group is None
    places = [(back, repair.target.name if is_tensor else ahead) for back, ahead in repair.pairs]
    new = dict[Event, Change]()
    for back, of in places:
        entries = truth.entries(of, _MOST_ENTRIES // len(places))
        if entries is None:
            return False
        shape = truth.program.structure.leaf(of).shape if isinstance(of, str) else truth.base.values[of].shape
        new[back] = put(entries.reshape(shape) / repair.factor)
    truth.program.repaired |= new
    return True


def groups_of(unchanged: set[Any], values: dict[Any, Any], sites: Mapping[int, Site]) -> list[Group]:
    """The executions of each site, in the order of the first."""
    found: dict[int, list[Any]] = {}
    for event in values:
        found.setdefault(event[0], []).append(event)
    groups = [Group(sites[number], tuple(events)) for number, events in found.items()]
    return [group for group in groups if not unchanged.issuperset(group.events)]

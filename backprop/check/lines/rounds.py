"""Rounds of the search: each finds a wrong line and puts the truth in its place, until no tensor is wrong."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from backprop.check.lines.choose import chosen
from backprop.check.lines.events import Change, Event, put
from backprop.check.lines.exchange import Exchange
from backprop.check.lines.explain import explain, line_of_edit
from backprop.check.lines.expressions import Edit
from backprop.check.lines.groups import Group
from backprop.check.lines.mending import Moved, mending, moved_by_lines
from backprop.check.lines.overwriting import overwriting
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.repair import Repair, Target
from backprop.check.lines.result import Line
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.suspects import choice, inside, is_sure
from backprop.check.lines.truth import Truth
from backprop.check.oracle import OutOfCalls
from backprop.errors import CheckError

NO_LINE = (
    "No line of a backward pass was seen to run: the code may be compiled; expected code that Python runs."
)
_UNMOVED = "No parameter moves the loss; expected one that does, to look for the wrong line."


class Rounds:
    """The search in rounds, for several mistakes: the truth is put in the place of one wrong value after another.

    Where a value has too many entries to compute its truth, the search believes the wrong value, and compares the
    later lines with what they should give for it.
    events: where the tensors are variables of the program, the event that assigns each. is_stopped: whether the calls
    were used up.
    """

    def __init__(
        self,
        program: Program,
        base: Outcome,
        sites: Mapping[int, Site],
        rng: np.random.Generator,
        events: Mapping[str, Event] | None = None,
    ) -> None:
        self.rng, self.events = rng, events or {}
        self.truth, self.sites, self.names = Truth(program, base, rng), sites, program.structure.names
        self.wrong: tuple[str, ...] = ()
        self.found: dict[int, tuple[Event, Line]] = {}
        self.order = {event: k for k, event in enumerate(base.values)}
        self.is_forward: dict[tuple[Event, ...], bool] = {}
        self.is_stopped = False
        self.given_up = frozenset[str]()
        self.first: Search | None = None
        self.moved: Moved = {}
        self.edits: list[Edit] = []

    @property
    def lines(self) -> list[Line]:
        """The wrong lines, in the order in which they run."""
        found = sorted(self.found.values(), key=lambda each: self.order.get(each[0], 0))
        return [line for _, line in found]

    def begin(self) -> None:
        """See which tensors are wrong, and which lines belong to the backward pass; nothing where none is wrong."""
        left = frozenset(name for name in self.names if self.truth.is_wrong(name))
        self.wrong = tuple(name for name in self.names if name in left)
        slopes = self.truth.slopes.values()
        if left and slopes and not any(slopes) and not self.events:
            raise CheckError(_UNMOVED)
        if not left:
            return
        try:
            search = Search.begun(self.truth, self.sites, left, self.is_forward)
            if not search.sides.backward:
                raise CheckError(NO_LINE)
            self.moved = moved_by_lines(search)
            self.first = search
        except OutOfCalls:
            self.is_stopped = True

    def mend(self, exchange: Exchange) -> None:
        """Look for edits that make all wrong tensors right, while the code has no probes."""
        if self.first is not None:
            with contextlib.suppress(OutOfCalls):
                self.edits = mending(self.first, self.moved, exchange)

    def run(self) -> None:
        """Look for the lines."""
        try:
            if not (self.is_stopped or self._is_mended()):
                self._run()
        except OutOfCalls:
            self.is_stopped = True
        if self.edits:
            self._reconcile()

    def _is_mended(self) -> bool:
        """Name the only statement that has an edit which makes all tensors right; whether there is one."""
        is_only = len({edit.place for edit in self.edits}) == 1
        if not is_only or self.first is None or not is_sure(self.edits[0], self.first):
            return False
        edit, sides = self.edits[0], self.first.sides
        own = replace(self.first, sides=replace(sides, backward=inside(edit, self.first)))
        known = [each for each in chosen(self._some(own.repairs(), _KEPT), own) if each.tensors >= own.wrong]
        known = [each for each in known if each.site.line in edit.lines]
        if known:
            self._add(known[:1], own)
        else:
            self._name(edit)
        return True

    def _reconcile(self) -> None:
        """Leave only the line with the mistake, where one edit of one statement makes all tensors right."""
        assert self.first is not None
        edit, number = choice(self.edits, self.found, self.first)
        if edit is not None:
            self.found = {}
            self._name(edit)
        elif number is not None:
            event, line = self.found[number]
            self.found = {number: (event, replace(line, tensors=self.wrong))}
        self.is_stopped = False

    def _name(self, edit: Edit) -> None:
        event = next((e for e in self.order if self.sites[e[0]].line in edit.lines), (-1, 0))
        self.found[event[0]] = event, line_of_edit(edit, self.wrong)

    def _run(self) -> None:
        left, new, program = frozenset[str](), set[int](), self.truth.program
        for turn in range(_MOST_ROUNDS):
            if turn == 0:
                if self.first is None:
                    self.begin()
                if self.first is None:
                    return
                search, left = self.first, self.first.wrong
            else:
                before, left = left, frozenset(name for name in self.names if self.truth.is_wrong(name))
                for number in new:
                    event, line = self.found[number]
                    fixed = tuple(name for name in self.names if name in before - left | set(line.tensors))
                    self.found[number] = event, replace(line, tensors=fixed)
                left -= self.given_up
                if not left:
                    return
                search = Search.begun(self.truth, self.sites, left, self.is_forward)
            new = self._named(search)
            again = program.run(wanted=None) if new else None
            if again is None:
                return
            self.truth.base = again
            if program.believed:
                self.truth = Truth(program, again, self.rng)

    def _named(self, search: Search) -> set[int]:
        """Name wrong lines. If more may be wrong, put their values right and return the numbers of their sites."""
        lost = overwriting(search)
        if lost is not None:
            self._add([lost], search)
            self.truth.program.added[lost.site.number] = lost.site.name
            return {lost.site.number}
        known = self._repairs(search, _KEPT_FOR_SEVERAL, apart=len(search.wrong) == 1)
        repairs = self._chosen(known, search)
        if len(repairs) == 1 and repairs[0].tensors >= search.wrong:
            self.is_stopped = False
            self._add(repairs, search)
            return set()
        plans = self._plans(self._finished_first(search), search)  # several mistakes hide one another
        if not plans:
            return set()
        places = [_places(repairs) for repairs, _, _ in plans]
        repairs, _, own = max(
            plans,
            key=lambda plan: (plan[1] and not _is_below(plan, plans, search), places.count(_places(plan[0]))),
        )
        self._add(repairs, own)
        if self.is_stopped:
            return set()
        for repair in repairs:
            if put_right(repair, self.truth):
                continue
            if repair.target.group is None:
                self.given_up |= repair.tensors
            else:
                self._believe(repair)
        return {each.site.number for each in repairs}

    def _believe(self, repair: Repair) -> None:
        """Take the values of a wrong line for right; a value of the wrong shape is replaced by a random one."""
        program, values = self.truth.program, self.truth.base.values
        for back, ahead in repair.pairs:
            k, b = values[ahead], values[back]
            if b.size != k.size:
                b = self.rng.standard_normal(k.shape)
                program.repaired[back] = put(b)
            program.believed[ahead] = k, repair.factor * b.reshape(k.shape)

    def _plans(self, names: list[str], search: Search) -> list[Plan]:
        """For one wrong tensor after another its own repairs, until a tensor has repairs without a factor.

        A factor may belong to a later line: repairs of another tensor then tell which value is right.
        """
        plans: list[Plan] = []
        for name in names:
            own = replace(search, wrong=frozenset([name]), others=search.wrong - {name})
            known = self._repairs(own, _KEPT, apart=True)
            repairs = self._chosen(known, own)
            plain = {each.site.line for each in known if each.factor == 1 and each.tensors}
            is_plain = all(each.factor == 1 or each.site.line in plain for each in repairs)
            plans += [(repairs, is_plain, own)] if repairs else []
            if self.is_stopped or (repairs and is_plain):
                break
        return plans

    def _add(self, repairs: list[Repair], search: Search) -> None:
        """Name the lines of the repairs; of two explanations of one line, the one with a plain variable stays."""
        for repair in repairs:
            of = self.events.get(repair.target.name) if repair.target.group is None else None
            # The event tells to which assignment of the variable the gradient belongs.
            if of is not None and not repair.values:
                repair.target = Target(repair.target.name, Group(self.sites[of[0]], (of,)))
                repair.pairs = ((repair.event, of),)
            event, line = self.found.get(repair.site.number, (repair.event, None))
            new = explain(repair, search)
            if line is not None:
                both = {*line.tensors, *new.tensors}
                plainer = (
                    new if _PLAIN.fullmatch(new.should_be) and not _PLAIN.fullmatch(line.should_be) else line
                )
                new = replace(plainer, tensors=tuple(name for name in self.names if name in both))
            self.found[repair.site.number] = event, new

    def _repairs(self, search: Search, share: float, *, apart: bool) -> list[Repair]:
        """The repairs that are found before fewer than this share of all calls is left.

        Where one of them explains all, more calls are used for the others; where none does, for any order.
        """
        known = self._some(search.repairs(apart=apart), share)
        is_explained = any(each.tensors >= search.wrong and each.factor == 1 for each in known)
        if self.is_stopped and is_explained:
            return self._some(search.repairs(apart=apart), _KEPT)  # what was run is not run again
        if self.is_stopped or is_explained:
            return known
        return self._some(replace(search, in_any_order=True).repairs(apart=apart), share)

    def _some(self, repairs: Iterator[Repair], share: float) -> list[Repair]:
        """What is found before fewer than this share of all calls is left."""
        found = list[Repair]()
        self.is_stopped = False
        with self._keeping(share):
            found.extend(repairs)
        return found

    def _chosen(self, repairs: list[Repair], search: Search) -> list[Repair]:
        """The repairs that name the lines; where no calls are left to choose, the first one that explains all."""
        with self._keeping(_KEPT_TO_EXPLAIN):
            return chosen(repairs, search)
        proven = [r for r in repairs if r.tensors >= search.wrong and r.factor == 1 and not r.is_right]
        return sorted(proven, key=lambda each: search.order[each.event])[:1]

    @contextlib.contextmanager
    def _keeping(self, share: float) -> Iterator[None]:
        """Stop what is done meanwhile before fewer than this share of all calls is left."""
        budget = self.truth.program.budget
        kept = min(int(share * budget.limit), budget.left)
        budget.limit -= kept
        try:
            yield
        except OutOfCalls:
            self.is_stopped = True
        finally:
            budget.limit += kept

    def _finished_first(self, search: Search) -> list[str]:
        """The wrong tensors in the order in which their gradients got their last values."""
        values, gradient = search.truth.base.values, search.truth.base.gradient

        def place(name: str) -> int:
            final = gradient.get(name, np.empty(0)).ravel()
            equal = (
                e
                for group in search.sides.backward
                for e in group.events
                if np.array_equal(values[e].ravel(), final)
            )
            return min((search.order[event] for event in equal), default=len(values))

        return sorted(search.names(search.wrong), key=place)


Plan = tuple[list[Repair], bool, Search]
"""The repairs of one wrong tensor, whether none of them needs a factor, and the search of this tensor."""


def _is_below(plan: Plan, plans: list[Plan], search: Search) -> bool:
    """Whether a plan says only that a tensor is wrong at its end, and another one has a repair on the way there."""
    ends = {each.target.name for each in plan[0] if each.target.group is None}
    others = [each for repairs, _, _ in plans for each in repairs if each.target.group is not None]
    return len(ends) == len(plan[0]) and any(ends & set(search.moved(each.group)) for each in others)


def _places(repairs: list[Repair]) -> set[tuple[Event, float]]:
    """The repaired events with their factors. Repairs of another tensor at the same places confirm them."""
    return {(each.event, round(each.factor, 3)) for each in repairs}


_PLAIN = re.compile(r"dL/d\(\w+\)")
"""The derivative of a variable, not of an expression."""
_KEPT_TO_EXPLAIN, _KEPT, _KEPT_FOR_SEVERAL = 0.05, 0.2, 0.5
"""Shares of all calls that are kept: to say what is wrong; to choose among repairs; to look for several mistakes one
by one."""
_MOST_ROUNDS = 6
_MOST_ENTRIES = 400
"""The most entries of the truth that are computed one by one to put it in the place of a wrong value."""


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

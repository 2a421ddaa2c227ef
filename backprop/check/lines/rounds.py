"""Rounds of the search: each finds a wrong line and puts the truth in its place, until no tensor is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backprop.check.lines.events import Change, Event, put
from backprop.check.lines.explain import explain
from backprop.check.lines.groups import Group
from backprop.check.lines.limits import FOR_SEVERAL, TO_CHOOSE, Limits
from backprop.check.lines.overwriting import overwriting
from backprop.check.lines.repair import Repair, Target
from backprop.check.lines.result import Line
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.truth import Truth
from backprop.check.oracle import OutOfCalls


class Rounds:
    """The search in rounds, for several mistakes: the truth is put in the place of one wrong value after another.

    Where a value has too many entries to compute its truth, the search believes the wrong value, and compares the
    later lines with what they should give for it.
    events: where the tensors are variables of the program, the event that assigns each. given_up: wrong tensors that
    are not looked at. found: by the number of its site, the first wrong event and the line.
    """

    def __init__(
        self, truth: Truth, sites: Mapping[int, Site], rng: np.random.Generator, events: Mapping[str, Event]
    ) -> None:
        self.truth, self.sites, self.rng, self.events = truth, sites, rng, events
        self.names = truth.program.structure.names
        self.found: dict[int, tuple[Event, Line]] = {}
        self.order = {event: k for k, event in enumerate(truth.base.values)}
        self.is_forward: dict[tuple[Event, ...], bool] = {}
        self.given_up = frozenset[str]()
        self.begin()

    def begin(self) -> None:
        """Share out the calls that are left now."""
        self.limits = Limits(self.truth.program.budget)

    def run(self, first: Search) -> None:
        """Look for the lines, from a search that has begun."""
        try:
            self._run(first)
        except OutOfCalls:
            self.limits.is_stopped = True

    def is_one_line(self, search: Search) -> bool:
        """Name a line whose true value makes all wrong tensors right; whether there is one."""
        known = self.limits.repairs(search, FOR_SEVERAL, apart=len(search.wrong) == 1)
        repairs = self.limits.chosen(known, search)
        if len(repairs) != 1 or not repairs[0].tensors >= search.wrong:
            return False
        self.limits.is_stopped = False
        self.add(repairs, search)
        return True

    def _run(self, search: Search) -> None:
        program = self.truth.program
        for _ in range(_MOST_ROUNDS):
            new = self._named(search)
            again = program.run(wanted=None) if new else None
            if again is None:
                return
            self.truth.base = again
            if program.believed:
                self.truth = Truth(program, again, self.rng)
            before = search.wrong
            left = frozenset(name for name in self.names if self.truth.is_wrong(name))
            for number in new:
                event, line = self.found[number]
                fixed = tuple(name for name in self.names if name in before - left | set(line.tensors))
                self.found[number] = event, replace(line, tensors=fixed)
            left -= self.given_up
            if not left:
                return
            search = Search.begun(self.truth, self.sites, left, self.is_forward)
            search.others = self.given_up

    def _named(self, search: Search) -> set[int]:
        """Name wrong lines. If more may be wrong, put their values right and return the numbers of their sites."""
        lost = overwriting(search)
        if lost is not None:
            self.add([lost], search)
            self.truth.program.added[lost.site.number] = lost.site.name
            return {lost.site.number}
        if self.is_one_line(search):
            return set()
        plans = self._plans(self._finished_first(search), search)  # several mistakes hide one another
        if not plans:
            return set()
        places = [_places(repairs) for repairs, _, _ in plans]
        repairs, _, own = max(
            plans,
            key=lambda plan: (plan[1] and not _is_below(plan, plans, search), places.count(_places(plan[0]))),
        )
        self.add(repairs, own)
        if self.limits.is_stopped:
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
            known = self.limits.repairs(own, TO_CHOOSE, apart=True)
            repairs = self.limits.chosen(known, own)
            plain = {each.site.line for each in known if each.factor == 1 and each.tensors}
            is_plain = all(each.factor == 1 or each.site.line in plain for each in repairs)
            plans += [(repairs, is_plain, own)] if repairs else []
            if self.limits.is_stopped or (repairs and is_plain):
                break
        return plans

    def add(self, repairs: list[Repair], search: Search) -> None:
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

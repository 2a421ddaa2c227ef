"""The wrong lines of a script: the truth of every variable is known, so that mistakes are found one after another.

The first variable whose gradient is wrong has its mistake between the last right value and its own: only that is
searched. With the truth in the place of the value that is found, the next wrong variable has another mistake. A large
value is believed instead. With b in the code where dL/dk should be, and k held at its value in the rest of the code,

    L' = L(k held) + <b, k>                    dL'/dk = b, and what follows b is to be the derivative of L'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.choose import chosen
from backprop.check.lines.events import Change, Event
from backprop.check.lines.explain import explain
from backprop.check.lines.find import groups_of, put_right
from backprop.check.lines.groups import Group
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.result import Line
from backprop.check.lines.search import Repair, Search, Target
from backprop.check.lines.truth import DIRECTIONS, Truth, put
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure
from backprop.check.script.program import Script

_MOST_LINES = 8


@dataclass
class WrongLines:
    """What was found. errors: by variable, in two random directions, relative; wrong: the variables that are wrong.

    note: why the search ended before every wrong variable had its line; else empty.
    """

    errors: dict[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    rtol: float = 0.0
    note: str = ""


@dataclass
class Believing(Program):
    """A program that takes some wrong values for right. believed: by the event k its value, and b."""

    believed: dict[Event, tuple[Array, Array]] = field(default_factory=dict)

    def believe(self, repair: Repair, truth: Truth) -> None:
        """Take the values of a wrong line for right; in the place of one of another shape, a random one."""
        for back, ahead in repair.pairs:
            k, b = truth.base.values[ahead], truth.base.values[back]
            if b.size != k.size:
                b = truth.rng.standard_normal(k.shape)
                self.repaired[back] = put(b)
            self.believed[ahead] = k, repair.factor * b.reshape(k.shape)

    def run(
        self,
        point: Array | None = None,
        changes: Mapping[Event, Change] | None = None,
        wanted: frozenset[Event] | None = frozenset(),
    ) -> Outcome | None:
        """One run, with L' in the place of the loss."""
        moved, held = dict(changes or {}), {event: put(k) for event, (k, _) in self.believed.items()}
        outcome = super().run(point, moved | held, wanted if wanted is None else wanted | held.keys())
        for event, (k, b) in self.believed.items():
            if outcome is None or event not in outcome.values:
                return None
            value = outcome.values[event]
            value = moved[event](value) if event in moved else value
            outcome.loss += float(np.vdot(b, value - k))
        return outcome


def wrong_lines(
    script: Script, structure: Structure, x: Array, calls: int, rng: np.random.Generator
) -> WrongLines:
    """The wrong variables of a script at a point, and its wrong lines, in at most so many calls."""
    found, seen, forward = WrongLines(), dict[Event, Line](), dict[tuple[Event, ...], bool]()
    program = Believing(script, structure, x, (), Budget(calls))
    try:
        program.widen()
        base = program.run(wanted=None)
        if base is None:
            return found
        truth = Truth(program, base, rng)
        found.rtol = truth.rtol
        found.errors = {name: _error(truth, name) for name in script.gradients}
        wrong = found.wrong = _wrong(truth, script)
        while wrong:
            groups = groups_of(truth.base.recorder.unchanged, truth.base.values, script.code.sites)
            for others, apart in ((wrong, False), (wrong, True), (script.gradients, False)):
                own = frozenset(others) - {wrong[0]}
                search = Search(
                    truth, groups, frozenset(wrong[:1]), own, is_forward=forward, sites=script.code.sites
                )
                search.split()
                repairs = chosen(list(search.repairs(apart=apart)), search)
                if repairs:
                    break
            for repair in repairs:
                _name_line(repair, script)
            new = {repair.event: explain(repair, search) for repair in repairs}
            seen |= {event: replace(line, tensors=wrong[:1]) for event, line in new.items()}
            for repair in repairs:
                if not put_right(repair, truth):
                    program.believe(repair, truth)
            again = program.run(wanted=None) if new and len(seen) < _MOST_LINES else None
            if again is not None:
                truth.base = again
                truth = Truth(program, again, rng) if program.believed else truth
            left = wrong if again is None else _wrong(truth, script)
            fixed = tuple(name for name in wrong if name not in left)
            seen |= {event: replace(line, tensors=fixed) for event, line in new.items() if fixed}
            if wrong[0] in left:
                gradient = script.gradients[wrong[0]]
                found.note = _STOPPED if new else f"No line was found that makes {gradient} wrong."
                break
            wrong = left
    except OutOfCalls:
        found.note = "The search for lines was not ended in time; expected a longer time limit."
    found.lines = list(seen.values())
    if program.believed and len(found.lines) > 1 and not found.note:
        found.note = _IN_TURN
    return found


_IN_TURN = "What a line should give is told for the values that the wrong lines before it have given."
_STOPPED = "There may be more wrong lines after the last one that is named: correct it, and check again."


def _name_line(repair: Repair, script: Script) -> None:
    """Let a repair that is to be the gradient by a variable say by which value of it."""
    name = repair.target.name
    if repair.target.group is None and not repair.values:
        event = script.events[name]
        repair.target = Target(name, Group(script.code.sites[event[0]], (event,)))
        repair.pairs = ((repair.event, event),)


def _wrong(truth: Truth, script: Script) -> tuple[str, ...]:
    """The variables whose gradients are wrong, in the order in which these got their last values.

    One that is not what was assigned last was changed through another name later: by a line of another gradient.
    """
    base, names = truth.base, script.code.variables
    last = {names[event[0]]: event for event in base.values if event[0] in names}
    order = {event: k for k, event in enumerate(base.values)}

    def place(name: str) -> tuple[bool, int]:
        gradient = script.gradients[name]
        event = last.get(gradient) or last.get(gradient.partition("[")[0]) or next(reversed(base.values))
        own, final = base.values[event], base.gradient.get(name)
        return final is not None and own.size == final.size and bool(
            np.any(own.ravel() != final.ravel())
        ), order[event]

    return tuple(sorted(filter(truth.is_wrong, script.gradients), key=place))


def _error(truth: Truth, name: str) -> float:
    """How far a gradient is off along random directions, relative to its size; infinite for another shape."""
    got = truth.base.gradient
    if name not in got:
        return np.inf
    pairs = [(truth.slope((name,), j), truth.along(got, (name,), j)) for j in range(DIRECTIONS)]
    size = truth.size(got, (name,)) + truth.noise / truth.rtol
    return max(abs(true - promised) / (size + abs(true)) for true, promised in pairs)

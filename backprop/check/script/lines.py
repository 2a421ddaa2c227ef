"""The wrong lines of a script: the truth of every variable is known, so that mistakes are found one after another.

The first variable whose gradient is wrong has its mistake between the last right value and its own: only that is
searched. With the truth in the place of the value that is found, the next wrong variable has another mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.choose import chosen
from backprop.check.lines.events import Event
from backprop.check.lines.explain import explain
from backprop.check.lines.find import groups_of, put_right
from backprop.check.lines.groups import Group
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.result import Line
from backprop.check.lines.search import Repair, Search, Target
from backprop.check.lines.truth import DIRECTIONS, Truth
from backprop.check.oracle import Budget, OutOfCalls
from backprop.check.points import Structure
from backprop.check.script.program import Script

_MOST_LINES = 8
_MOST_ENTRIES = 4000
"""Of a wrong value: so many entries of the truth are asked for, to go on with it."""


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


def wrong_lines(
    script: Script, structure: Structure, x: Array, calls: int, rng: np.random.Generator
) -> WrongLines:
    """The wrong variables of a script at a point, and its wrong lines, in at most so many calls."""
    found, seen, forward = WrongLines(), dict[Event, Line](), dict[tuple[Event, ...], bool]()
    program = Program(script, structure, x, (), Budget(calls))
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
            groups = groups_of(truth.base, script.code.sites)
            for others, apart in ((wrong, False), (wrong, True), (script.gradients, False)):
                own = frozenset(others) - {wrong[0]}
                search = Search(truth, groups, frozenset(wrong[:1]), own, is_forward=forward)
                search.split()
                repairs = chosen(list(search.repairs(apart=apart)), search)
                if repairs:
                    break
            for repair in repairs:
                _name_line(repair, script)
            new = {repair.event: explain(repair, search) for repair in repairs}
            again = _repaired(repairs, truth) if len(seen) + len(new) < _MOST_LINES else None
            if again is not None:
                truth.base = again
            left = wrong if again is None else _wrong(truth, script)
            fixed = wrong[:1] if again is None else tuple(name for name in wrong if name not in left)
            seen |= {event: replace(line, tensors=fixed) for event, line in new.items()}
            if wrong[0] in left:
                found.note = (
                    _STOPPED if new else f"No line was found that makes {script.gradients[wrong[0]]} right."
                )
                break
            wrong = left
    except OutOfCalls:
        found.note = "The search for lines was not ended in time; expected a longer time limit."
    found.lines = list(seen.values())
    return found


_STOPPED = "There may be more wrong lines after the last one that is named: correct it, and check again."


def _name_line(repair: Repair, script: Script) -> None:
    """Let a repair that is to be the gradient by a variable say by which value of it."""
    name = repair.target.name
    if repair.target.group is None:
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
        event = last[script.gradients[name]]
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


def _repaired(repairs: Sequence[Repair], truth: Truth) -> Outcome | None:
    """The run with the truth in the places of the repairs; None where that takes too many runs."""
    done = [put_right(repair, truth, _MOST_ENTRIES) for repair in repairs]
    return truth.program.run(wanted=None) if done and all(done) else None

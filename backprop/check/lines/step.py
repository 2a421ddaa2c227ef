"""A step of the search: the edits that mend something, what the values say, and which of both names the line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from backprop.check.lines.events import Event
from backprop.check.lines.exchange import Exchange
from backprop.check.lines.explain import line_of_edit
from backprop.check.lines.expressions import Edit
from backprop.check.lines.limits import TO_CHOOSE
from backprop.check.lines.mending import Mending, Moved, mending, moved_by, moved_by_lines
from backprop.check.lines.program import Outcome, Program
from backprop.check.lines.result import Line
from backprop.check.lines.rounds import Rounds
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site
from backprop.check.lines.suspects import choice, inside, is_sure
from backprop.check.lines.tensors import DIRECTIONS
from backprop.check.lines.truth import Truth
from backprop.check.oracle import OutOfCalls
from backprop.errors import CheckError

NO_LINE = (
    "No line of a backward pass was seen to run: the code may be compiled; expected code that Python runs."
)
_UNMOVED = "No parameter moves the loss; expected one that does, to look for the wrong line."


class Step:
    """A step of the search. In this order: `begin` with probes, `mend` without them, `look` with them.

    events: where the tensors are variables of the program, the event that assigns each. wrong: the wrong tensors.
    edit: where the edits leave other tensors wrong, that of the line that was found. one: the single line whose true
    value makes all wrong tensors right, if there is one as well; else empty.
    """

    def __init__(
        self,
        program: Program,
        base: Outcome,
        sites: Mapping[int, Site],
        rng: np.random.Generator,
        events: Mapping[str, Event] | None = None,
    ) -> None:
        self.truth, self.sites, self.names = Truth(program, base, rng), sites, program.structure.names
        self.rounds = Rounds(self.truth, sites, rng, events or {})
        self.wrong: tuple[str, ...] = ()
        self.first: Search | None = None
        self.moved: Moved = {}
        self.mending = Mending()
        self.edit: Edit | None = None
        self.one: list[Line] = []

    @property
    def lines(self) -> list[Line]:
        """The wrong lines, in the order in which they run."""
        order = self.rounds.order
        found = sorted(self.rounds.found.values(), key=lambda each: order.get(each[0], 0))
        return [line for _, line in found]

    @property
    def is_stopped(self) -> bool:
        """Whether the calls were used up."""
        return self.rounds.limits.is_stopped

    def begin(self) -> None:
        """See which tensors are wrong, and which lines belong to the backward pass; nothing where none is wrong."""
        left = frozenset(name for name in self.names if self.truth.is_wrong(name))
        self.wrong = tuple(name for name in self.names if name in left)
        for j in range(DIRECTIONS):  # the edits are compared with these, while there are no probes
            self.truth.slope(self.wrong, j)
        slopes = self.truth.slopes.values()
        if left and slopes and not any(slopes) and not self.rounds.events:
            raise CheckError(_UNMOVED)
        if not left:
            return
        try:
            search = Search.begun(self.truth, self.sites, left, self.rounds.is_forward)
            if not search.sides.backward:
                raise CheckError(NO_LINE)
            self.moved = moved_by_lines(search)
            self.first = search
        except OutOfCalls:
            self.rounds.limits.is_stopped = True

    def mend(self, exchange: Exchange) -> None:
        """Look for edits that make wrong tensors right, while the code has no probes."""
        if self.first is not None:
            with contextlib.suppress(OutOfCalls):
                self.mending = mending(self.first, self.moved, exchange)
        if self.rounds.events and not self.is_whole:  # the next step would not know these events
            self.mending = Mending()

    @property
    def is_whole(self) -> bool:
        """Whether the edits make all wrong tensors right."""
        return self.mending.tensors == frozenset(self.wrong)

    def look(self) -> None:
        """Look for the lines."""
        if self.first is None:
            return
        self.rounds.begin()
        is_part = bool(self.mending.edits) and not self.is_whole
        if is_part and self.rounds.is_one_line(self.first):
            self.one, self.rounds.found = self.lines, {}
        search = self._of_edits(self.first) if is_part else self.first
        if not (self.is_stopped or self._is_mended(search)):
            self.rounds.run(search)
        if self.mending.edits:
            self._reconcile(search)
        if is_part:
            lines = {line.line for line in self.lines}
            self.edit = next((e for e in self.mending.edits if e.line in lines), self.mending.edits[0])

    def _of_edits(self, search: Search) -> Search:
        """The search for the lines that make wrong what the edits make right."""
        self.rounds.given_up = search.wrong - self.mending.tensors
        return replace(search, wrong=self.mending.tensors, others=self.rounds.given_up)

    def _is_mended(self, search: Search) -> bool:
        """Name the only statement that has an edit which makes all tensors right; whether there is one."""
        edits = self.mending.edits
        if len({edit.place for edit in edits}) != 1 or not is_sure(edits[0], search):
            return False
        edit, sides = edits[0], search.sides
        own = replace(search, sides=replace(sides, backward=inside(edit, search)))
        known = self.rounds.limits.chosen(self.rounds.limits.some(own.repairs(), TO_CHOOSE), own)
        known = [each for each in known if each.tensors >= own.wrong and each.site.line in edit.lines]
        if known:
            self.rounds.add(known[:1], own)
        else:
            self._name(edit)
        return True

    def _reconcile(self, search: Search) -> None:
        """Leave only the line with the mistake, where one edit of one statement makes all tensors right."""
        found = self.rounds.found
        edit, number = choice(self.mending.edits, found, search)
        if edit is None and number is None and len(found) == 1:
            edit = self._narrower(self.lines[0])
        if edit is not None:
            self.rounds.found = {}
            self._name(edit)
        elif number is not None:
            event, line = found[number]
            self.rounds.found = {number: (event, replace(line, tensors=self._mended))}
        self.rounds.limits.is_stopped = False

    def _narrower(self, line: Line) -> Edit | None:
        """Where a line also moves wrong tensors that the edits do not make right: an edit of one that does not."""

        def moves(path: str, lines: Iterable[int]) -> set[str]:
            moved = moved_by(self.moved, path, lines)
            return {name for some in moved for name in (self.wrong if some is None else some)}

        if not moves(line.file, [line.line]) & self.rounds.given_up:
            return None
        moved = [(edit, moves(edit.place[0], edit.lines)) for edit in self.mending.edits]
        return next((edit for edit, names in moved if names and not names & self.rounds.given_up), None)

    @property
    def _mended(self) -> tuple[str, ...]:
        return tuple(name for name in self.wrong if name in self.mending.tensors)

    def _name(self, edit: Edit) -> None:
        event = next((e for e in self.rounds.order if self.sites[e[0]].line in edit.lines), (-1, 0))
        self.rounds.found[event[0]] = event, line_of_edit(edit, self._mended)

"""Sides: which groups are of the forward pass, and which of the backward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Group
from backprop.check.lines.response import Responses
from backprop.check.lines.sites import Site


@dataclass
class Sides:
    """The groups that move the loss, and those that do not.

    values: of the events. parameters: what functions were handed, on either side; handed: of these, those in
    the forward pass. kept: values of the forward pass that were kept in a dict or
    an object.
    """

    values: dict[Event, Array]
    forward: list[Group] = field(default_factory=list)
    backward: list[Group] = field(default_factory=list)
    parameters: list[Group] = field(default_factory=list)
    handed: list[Group] = field(default_factory=list)
    kept: list[Group] = field(default_factory=list)

    @property
    def targets(self) -> Iterator[Group]:
        """What a value of the backward pass may be the derivative by: of uses, only those of the forward pass."""
        back, forth = ({_place(each.site) for each in groups} for groups in (self.backward, self.whole))
        for group in self.forward:
            if not group.site.is_use or _place(group.site) not in back - forth:
                yield group
        yield from self.handed

    @property
    def whole(self) -> list[Group]:
        """The groups of the forward pass, without single uses of a variable: these give parts of its derivative."""
        return [group for group in self.forward if not group.site.is_use]

    @property
    def computed(self) -> list[Group]:
        """The groups of the forward pass that assign or compute a value, or get it as a parameter."""
        return [*self.whole, *self.handed]

    def holding(self, event: Event, groups: Iterable[Group]) -> Iterator[Site]:
        """The sites of those groups that have the value of an event in one of their executions."""
        for group in groups:
            if any(np.array_equal(self.values[event], self.values[each]) for each in group.events):
                yield group.site


def _place(site: Site) -> tuple[str, int]:
    return site.path, site.line


def sides_of(groups: Iterable[Group], responses: Responses, known: dict[tuple[Event, ...], bool]) -> Sides:
    """Tell the groups that move the loss from those that do not; known: of events, whether they do."""
    truth = responses.truth
    base, sides = truth.base, Sides(truth.base.values)

    def moves_loss(events: tuple[Event, ...]) -> bool:
        if events not in known:
            outcome = responses.random_run(events, truth.shapes(events))[1]
            known[events] = outcome is None or abs(outcome.loss - base.loss) > 1e-12 * abs(base.loss)
        return known[events]

    def by_caller(group: Group) -> list[tuple[Event, ...]]:
        """The executions of a helper function, apart by the lines from which it was called."""
        parts: dict[tuple[int, ...], list[Event]] = {}
        for event in group.events:
            parts.setdefault(base.recorder.callers[event], []).append(event)
        return [tuple(each) for each in parts.values()] if len(parts) > 1 else []

    def apart(group: Group) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
        """The executions that do not move the loss, and those that do."""
        if not moves_loss(group.events):
            return group.events, ()
        back = {e for part in by_caller(group) if not moves_loss(part) for e in part}
        return tuple(e for e in group.events if e in back), tuple(e for e in group.events if e not in back)

    for group in groups:
        if group.site.role == "parameter":
            sides.parameters.append(group)
            forward = apart(group)[1]
            sides.handed += [Group(group.site, forward)] if forward else []
        elif group.site.role == "use":
            sides.forward.append(group)
        elif group.site.role == "turn":
            sides.forward += [group] if moves_loss(group.events) else []
        elif not moves_loss(group.events):
            is_kept = group.site.is_kept and any(sides.holding(group.events[-1], sides.forward))
            (sides.kept if is_kept else sides.backward).append(group)
        else:
            for found, events in zip((sides.backward, sides.forward), apart(group), strict=True):
                found += [Group(group.site, events)] if events else []
    sides.forward.sort(key=lambda group: group.site.is_use)
    return sides

"""Responses: what the gradient becomes where a group is replaced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.groups import Pair
from backprop.check.lines.program import Outcome
from backprop.check.lines.tensors import DIRECTIONS, Names, rms
from backprop.check.lines.truth import Shapes, Truth

_DUST = 1e-11
"""Of the largest gradient: what is rounding."""


@dataclass
class Response:
    """What the gradient becomes where a group is replaced by random arrays r, one for each event.

    start: what it is compared with: the values b of the run without any change; zeros where they cannot be compared.
    """

    random: dict[Event, Array]
    start: dict[Event, Array]
    at_start: dict[str, Array]
    at_random: dict[str, Array]
    _moves: dict[str, bool] = field(default_factory=dict)

    def change(self, names: Names) -> dict[str, Array]:
        """A (r - b), by tensor."""
        return {name: self.at_random[name] - self.at_start[name] for name in names}

    def moves(self, name: str) -> bool:
        """Whether the tensor depends on the group."""
        if name not in self.at_start or name not in self.at_random:
            return False
        if name not in self._moves:
            change = np.abs(self.at_random[name] - self.at_start[name])
            self._moves[name] = bool(np.max(change, initial=0) > _DUST * self.scale)
        return self._moves[name]

    @cached_property
    def scale(self) -> float:
        """The size of the largest gradient: of a tensor whose gradient is zero, only rounding is seen."""
        both = [self.at_random, self.at_start]
        return max(float(np.max(np.abs(each), initial=0)) for gradient in both for each in gradient.values())


@dataclass
class Responses:
    """The responses of a program, each of which is had once."""

    truth: Truth
    _runs: dict[tuple[tuple[Event, ...], Shapes], tuple[list[Array], Outcome | None]] = field(
        default_factory=dict
    )
    _found: dict[tuple[tuple[Event, ...], Shapes], Response | None] = field(default_factory=dict)
    _apart: dict[tuple[Event, ...], list[tuple[Event, Array, dict[str, Array]]]] = field(default_factory=dict)

    def random_run(self, events: tuple[Event, ...], shapes: Shapes) -> tuple[list[Array], Outcome | None]:
        """Random arrays of these shapes, and the run with them in the place of the events."""
        if (events, shapes) not in self._runs:
            sizes = [rms(self.truth.base.values[event]) for event in events]
            normal = self.truth.rng.standard_normal
            new = [size * np.asarray(normal(shape)) for size, shape in zip(sizes, shapes, strict=True)]
            self._runs[events, shapes] = new, self.truth.program.replaced(events, new)
        return self._runs[events, shapes]

    def apart(self, events: tuple[Event, ...]) -> list[tuple[Event, Array, dict[str, Array]]]:
        """Each event that moves the gradient while the others are held: by what it is moved, and what it changes."""
        if events not in self._apart:
            base, found = self.truth.base, []
            for event in events:
                moved = rms(base.values[event]) * self.truth.rng.standard_normal(base.values[event].shape)
                new = [base.values[each] + (moved if each == event else 0) for each in events]
                outcome = self.truth.program.replaced(events, new)
                if outcome is not None and base.gradient.keys() <= outcome.gradient.keys():
                    change = {name: outcome.gradient[name] - each for name, each in base.gradient.items()}
                    if any(np.any(each) for each in change.values()):
                        found.append((event, moved, change))
            self._apart[events] = found
        return self._apart[events]

    def matched(self, back: tuple[Event, ...], ahead: tuple[Event, ...], names: Names) -> tuple[Pair, ...]:
        """For each of the events `back`, while the others are held, the one of `ahead` for which A = Jᵀ holds.

        Empty where one that moves the tensors has none.
        """
        truth, values = self.truth, self.truth.base.values
        tangents = [truth.tangents(ahead, names, j) for j in range(DIRECTIONS)]
        found, free = list[Pair](), list(ahead[::-1])
        for event, moved, change in self.apart(back):
            along = [truth.along(change, names, j) for j in range(DIRECTIONS)]
            slack = truth.rtol * truth.size(change, names)

            def fits(
                k: Event, moved: Array = moved, along: list[float] = along, slack: float = slack
            ) -> bool:
                wanted = [np.vdot(moved, each[ahead.index(k)]) for each in tangents if each is not None]
                pairs = zip(along, wanted, strict=False)
                return len(wanted) == DIRECTIONS and all(abs(got - one) <= slack for got, one in pairs)

            k = next((k for k in free if values[k].shape == moved.shape and fits(k)), None)
            if k is not None:
                found.append((event, k))
                free.remove(k)
            elif max(map(abs, along)) > slack:
                return ()
        return tuple(found)

    def of(self, events: tuple[Event, ...], shapes: Shapes, names: Iterable[str]) -> Response | None:
        """The response to a group that is replaced by arrays of these shapes; None where it moves none of `names`."""
        key, truth = (events, shapes), self.truth
        if key not in self._found:
            new, ahead = self.random_run(events, shapes)
            keeps = ahead is not None and truth.base.gradient.keys() <= ahead.gradient.keys()
            if ahead is None or not keeps or not any(truth.differs(ahead, name) for name in names):
                return None  # of other tensors there may be one
            start, begun = [truth.base.values[event] for event in events], truth.base.gradient
            is_alike = truth.shapes(events) == shapes and all(np.all(np.isfinite(b)) for b in start)
            if not (is_alike and ahead.gradient.keys() <= begun.keys()):
                start = [np.zeros(shape) for shape in shapes]
                zero = truth.program.replaced(events, start)
                if zero is None:
                    self._found[key] = None
                    return None
                begun = zero.gradient
            random, first = (dict(zip(events, arrays, strict=True)) for arrays in (new, start))
            self._found[key] = Response(random, first, begun, ahead.gradient)
        return self._found[key]

"""Truth: how the loss and the intermediates of the forward pass move along directions of the parameters.

tangent of an event  (k(θ + hv) - k(θ - hv)) / 2h = J v, while all other events of its group are held at their values
slope beside it      (L(θ + hv) - L(θ - hv)) / 2h in the same runs, where all events of the group are held
slope of an event    (L(k + hw) - L(k - hw)) / 2h = <dL/dk, w>

None of them costs more for a large array than for a small one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Change, Event, add, put
from backprop.check.lines.program import Outcome
from backprop.check.lines.tensors import DIRECTIONS, Names, Tensors, rms

Shapes = tuple[tuple[int, ...], ...]
_SURE = 1e-4
"""Slopes that agree so closely along one direction do not agree by chance."""
_KINK = 0.1
"""Of two one-sided slopes, what makes them different ones."""


def _key(arrays: Iterable[Array]) -> int:
    """A number that only equal arrays have."""
    return zlib.crc32(b"".join(b"%r" % (each.shape,) + each.tobytes() for each in arrays))


@dataclass
class Truth(Tensors):
    """The true slopes of a program at its point, by tensors and by events."""

    watched: frozenset[Event] = frozenset()
    _free: dict[tuple[str, int], dict[Event, Array]] = field(default_factory=dict)
    _held: dict[tuple[tuple[Event, ...], Names, int], tuple[dict[Event, Array], float]] = field(
        default_factory=dict
    )
    _along: dict[tuple[Event, int], tuple[Array, float]] = field(default_factory=dict)
    _entries: dict[Event | str, Array] = field(default_factory=dict)
    _random: dict[Names, list[tuple[Array, float]]] = field(default_factory=dict)
    _same: dict[Event, Event] = field(default_factory=dict)
    _still: set[Event] = field(default_factory=set)
    _first: dict[tuple[int, float], Event] = field(default_factory=dict)
    _losses: dict[tuple[tuple[Event, ...], int, float], float] = field(default_factory=dict)

    def shapes(self, events: tuple[Event, ...]) -> Shapes:
        """The shapes that the events have."""
        return tuple(self.base.values[event].shape for event in events)

    def tangents(self, events: tuple[Event, ...], names: Names, j: int) -> list[Array] | None:
        """How each of the events moves along the j-th direction of tensors while the others are held."""
        if len(events) == 1:  # nothing is held: the same runs tell it of all events
            found = [self._free_tangents(name, j).get(events[0]) for name in names]
            return None if any(each is None for each in found) else [sum(found)]  # type: ignore[arg-type, list-item]
        moved, _ = self._with_held(events, names, j)
        known = [moved.get(self._same.get(each, each)) for each in events]
        return None if any(each is None for each in known) else known  # type: ignore[return-value]

    def slope_beside(self, events: tuple[Event, ...], names: Names, j: int) -> float:
        """The part of the slope along the j-th direction of tensors that leads through none of the events."""
        if len(events) == 1:
            self.event_slope(events[0], 0)  # it may tell that no more runs are needed
        return (
            self.slope(names, j) if self._still.issuperset(events) else self._with_held(events, names, j)[1]
        )

    def _with_held(self, events: tuple[Event, ...], names: Names, j: int) -> tuple[dict[Event, Array], float]:
        events = tuple(self._same.get(each, each) for each in events)
        if (events, names, j) not in self._held:
            held = {each: put(self.base.values[each]) for each in events}
            self._held[events, names, j] = self._moved(frozenset(events), self.direction(names, j), held)
        return self._held[events, names, j]

    def _free_tangents(self, name: str, j: int) -> dict[Event, Array]:
        if (name, j) not in self._free:
            self._free[name, j], _ = self._moved(self.watched, self.direction((name,), j), {})
        return self._free[name, j]

    def _moved(
        self, events: frozenset[Event], direction: Array, changes: dict[Event, Change]
    ) -> tuple[dict[Event, Array], float]:
        """How the values of events and the loss change along a direction of the point."""
        moved = self.step * direction
        up, down = (self.program.run(self.program.point + sign * moved, changes, events) for sign in (1, -1))
        slope = (up.loss - down.loss) / (2 * self.step) if up and down else np.nan
        return self._quotients(events, up, down), slope

    def moved_by(self, event: Event, direction: Array, events: frozenset[Event]) -> dict[Event, Array]:
        """How the values of other events change when the value of one event is moved along an array."""
        moved = self.step * direction
        up, down = (self.program.run(changes={event: add(sign * moved)}, wanted=events) for sign in (1, -1))
        return self._quotients(events, up, down)

    def _quotients(
        self, events: frozenset[Event], up: Outcome | None, down: Outcome | None
    ) -> dict[Event, Array]:
        found: dict[Event, Array] = {}
        if up is None or down is None:
            return found
        for each in events & up.values.keys() & down.values.keys():
            one, other = up.values[each].astype(np.float64), down.values[each]
            if one.shape == other.shape == self.base.values[each].shape:
                found[each] = (one - other) / (2 * self.step)
        return found

    def slope_along(self, events: Sequence[Event], moves: Sequence[Array]) -> float:
        """The slope of the loss where each event is moved along an array."""
        events = tuple(self._same.get(each, each) for each in events)
        if self._still.issuperset(events):
            return 0.0
        up, down = (self._loss(events, moves, sign * self.step) for sign in (1, -1))
        return (up - down) / (2 * self.step)

    def _loss(self, events: tuple[Event, ...], moves: Sequence[Array], step: float) -> float:
        key = events, _key(moves), step
        if key not in self._losses:
            changes = {each: add(step * move) for each, move in zip(events, moves, strict=True)}
            outcome = self.program.run(changes=changes)
            self._losses[key] = outcome.loss if outcome else np.nan
        return self._losses[key]

    def event_slope(self, event: Event, j: int) -> tuple[Array, float]:
        """A random direction of an event, and the slope of the loss along it.

        Events with equal values that change the loss to the same number, such as an assignment and the only use of
        its variable, are the same value in two places: its slopes are computed once. An event that does not change
        the loss, such as a use in the backward pass, has the slope 0 along all directions.
        """
        event = self._same.get(event, event)
        if (event, j) not in self._along:
            value = self.base.values[event]
            key = _key([value])
            w = rms(value) * np.random.default_rng([key, j]).standard_normal(value.shape)
            if j == 0 and event not in self._still:
                up = self._loss((event,), [w], self.step)
                first = self._first.setdefault((key, up), event)
                if up == self.base.loss:
                    self._still.add(event)
                elif first != event:
                    self._same[event] = first
                    return self.event_slope(first, j)
            self._along[event, j] = w, self.slope_along([event], [w])
        return self._along[event, j]

    def factor(self, value: Array, event: Event) -> float | None:
        """The k for which `value` is k times the derivative of the loss by an event; None where there is none."""
        shape = self.base.values[event].shape
        is_alike = [k for k in value.shape if k != 1] == [k for k in shape if k != 1]
        if not is_alike or not np.all(np.isfinite(value)):
            return None
        value = value.reshape(shape)
        ratios = []
        for j in range(DIRECTIONS if value.size > 1 else 1):
            w, slope = self.event_slope(event, j)
            size = rms(value) * rms(w) * np.sqrt(value.size)
            if not abs(slope) > 10 * self.noise or size == 0:
                return None
            ratio = float(np.vdot(value, w)) / slope
            slack = self.rtol * (size / abs(slope) + abs(ratio)) + self.noise * abs(ratio) / abs(slope)
            ratios.append((ratio, slack))
            if abs(ratio - 1) <= slack and self.rtol <= _SURE:
                return 1.0
        if all(abs(ratio - 1) <= slack for ratio, slack in ratios):
            return 1.0
        (first, slack), (last, _) = ratios[0], ratios[-1]
        return first if value.size > 1 and abs(first - last) <= slack and first != 0 else None

    def is_zero(self, value: Array, event: Event) -> bool:
        """Whether a value is zero to rounding, and the derivative of the loss by an event is."""
        if value.shape != self.base.values[event].shape:
            return False
        sides = [self.event_slope(event, j) for j in range(DIRECTIONS)]
        noise = 10 * self.noise
        return all(abs(slope) <= noise and abs(np.vdot(value, w)) <= noise for w, slope in sides)

    def entries(self, of: Event | str, most: int) -> Array | None:
        """The derivative by an event or a tensor (size,), entry by entry; None where it has more than `most`."""
        is_tensor = isinstance(of, str)
        places = self.program.structure.places
        size = len(places[of]) if isinstance(of, str) else self.base.values[of].size
        of = of if isinstance(of, str) else self._same.get(of, of)
        if of not in self._entries and size <= most and self.program.budget.room(3 * size):
            name, event = (of, (-1, 0)) if isinstance(of, str) else ("", of)
            slopes = [self.slope_of(name, event, v, is_tensor=is_tensor) for v in np.eye(size)]
            self._entries[of] = np.array(slopes)
        return self._entries.get(of)

    def random_slopes(self, names: Names, count: int) -> tuple[Array, Array]:
        """Random directions (count, p) of some tensors together, whose entries follow one another; the slopes."""
        known, structure = self._random.setdefault(names, []), self.program.structure
        scale = np.concatenate([np.full(len(structure.places[name]), self.scale[name]) for name in names])
        while len(known) < count:
            v = scale * self.rng.standard_normal(len(scale))
            moved = np.zeros(structure.size)
            moved[np.concatenate([structure.places[name] for name in names])] = self.step * v
            up, down = (self.program.run(self.program.point + sign * moved) for sign in (1, -1))
            known.append((v, (up.loss - down.loss) / (2 * self.step) if up and down else np.nan))
        return np.stack([v for v, _ in known[:count]]), np.array([slope for _, slope in known[:count]])

    def is_kink(self, of: Event | str, entry: int) -> bool:
        """Whether the loss has other slopes on one side than on the other, along an entry of an event or a tensor."""
        if isinstance(of, str):
            moved = np.zeros(self.program.structure.size)
            moved[self.program.structure.places[of][entry]] = self.step * self.scale[of]
            runs = [self.program.run(self.program.point + sign * moved) for sign in (1, -1)]
            up, down = (np.nan if run is None else run.loss for run in runs)
        else:
            value = self.base.values[of]
            move = np.zeros(value.shape)
            move.reshape(-1)[entry] = rms(value)
            up, down = (self._loss((of,), [move], sign * self.step) for sign in (1, -1))
        above, below = up - self.base.loss, self.base.loss - down
        return bool(abs(above - below) > _KINK * (abs(above) + abs(below)))

    def slope_of(self, name: str, event: Event, direction: Array, *, is_tensor: bool) -> float:
        """The slope of the loss along one direction (size,) of a tensor, or of an event."""
        if not is_tensor:
            value = self.base.values[event]
            size = rms(value)
            return self.slope_along([event], [size * direction.reshape(value.shape)]) / size
        places = self.program.structure.places[name]
        moved = np.zeros(self.program.structure.size)
        moved[places] = self.step * self.scale[name] * direction
        up, down = (self.program.run(self.program.point + sign * moved) for sign in (1, -1))
        return (up.loss - down.loss) / (2 * self.step * self.scale[name]) if up and down else np.nan

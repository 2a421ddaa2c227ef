"""Search: a whole gradient compared, entry by entry or along random directions, and the place of a mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.path import Reading
from backprop.check.numeric.slopes import Direction, entry_direction, random_direction
from backprop.check.numeric.truth import Truth
from backprop.check.oracle import OutOfCalls
from backprop.check.points import Form

# Entries: the whole gradient compared entry by entry, for as few parameters as that can be done for.

_CONFIRMED = 12


@dataclass(frozen=True)
class Table:
    """The truth (m, p) of every entry beside the claim.

    tolerance: infinite where nothing can be said. error: how far the truth may be off. wrong, open, kink, steep,
    left, right: as in `Reading`. reasons: of each entry of the point at a kink. seen (p,): which entries were
    looked at.
    """

    expected: Array
    tolerance: Array
    error: Array
    wrong: Array
    open: Array
    kink: Array
    steep: Array
    left: Array
    right: Array
    reasons: dict[int, str]
    seen: Array


def empty_table(outputs: int, size: int) -> Table:
    """A table in which nothing has been looked at."""
    shape = (outputs, size)
    return Table(
        np.full(shape, np.nan),
        np.full(shape, np.inf),
        np.full(shape, np.inf),
        np.zeros(shape, bool),
        np.zeros(shape, bool),
        np.zeros(shape, bool),
        np.zeros(shape),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        {},
        np.zeros(size, bool),
    )


def every_entry(truth: Truth, where: Array) -> Table | None:
    """Compare the entries `where`; None where complex steps turn out to be no slopes, and all is to be done again."""
    table = empty_table(*truth.claimed.shape)
    trusted = truth.complex
    for index in where:
        try:
            look(truth, table, int(index))
        except OutOfCalls:
            break
        if trusted and not truth.complex:
            return None
    return table


def look(truth: Truth, table: Table, index: int) -> None:
    """Compare one entry and put it into the table."""
    direction = entry_direction(index, truth.scales)
    reading = truth.read(direction, confirm=truth.confirmed < _CONFIRMED)
    scale = direction.by[0]
    at_kink = reading.kink | reading.open
    table.expected[:, index] = reading.value / scale
    table.error[:, index] = np.where(at_kink, np.inf, reading.error / scale)
    table.tolerance[:, index] = np.where(at_kink, np.inf, reading.tolerance / scale)
    table.wrong[:, index] = reading.wrong
    table.open[:, index] = reading.open
    table.kink[:, index] = reading.kink
    table.steep[:, index] = reading.steep / abs(scale)
    table.left[:, index], table.right[:, index] = reading.left / scale, reading.right / scale
    table.seen[index] = True
    if reading.reason:
        table.reasons[index] = reading.reason


# Search: in which slices of a large tensor an error lies, by halving what moves, one axis after the other.
#
# A subset of slices is tested along one random direction. Where it fails, both its halves are; a single wrong entry
# of a (i, o) tensor costs about 2 log₂ i + 2 log₂ o tests. Where many slices of an axis fail, the error is spread
# along it, and a sample of its entries says more.

_MANY = 4


@dataclass(frozen=True)
class Slices:
    """For every axis, the slices in which an error lies; None where they are many. size: of each axis."""

    chosen: tuple[tuple[int, ...] | None, ...]
    shape: tuple[int, ...]

    def places(self, start: int) -> Array:
        """The flat places of all entries that lie in chosen slices of every axis."""
        grid = np.ix_(
            *(
                range(length) if one is None else list(one)
                for one, length in zip(self.chosen, self.shape, strict=True)
            )
        )
        all_places = start + np.arange(int(np.prod(self.shape, dtype=int))).reshape(self.shape)
        return np.asarray(all_places[grid] if self.shape else all_places).reshape(-1)

    def __str__(self) -> str:
        """Such as `[:, 3]`."""
        parts = [
            ":" if one is None else str(one[0]) if len(one) == 1 else "{" + ", ".join(map(str, one)) + "}"
            for one in self.chosen
        ]
        return f"[{', '.join(parts)}]"


def locate(start: int, shape: tuple[int, ...], test: Callable[[Array], bool]) -> Slices:
    """The slices in which an error lies of the tensor whose entries begin at place `start`.

    test: whether the entries at given places fail together.
    """
    places = start + np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    chosen: list[tuple[int, ...] | None] = []
    for axis, length in enumerate(shape):

        def fails(part: range, axis: int = axis) -> bool:
            return test(np.take(places, part, axis=axis).reshape(-1))

        chosen.append(_failing(length, fails))
    return Slices(tuple(chosen), shape)


def _failing(length: int, fails: Callable[[range], bool]) -> tuple[int, ...] | None:
    """The slices of one axis that fail, by halving; None where they are many, or none fails alone."""
    nodes = [range(length)]
    while any(len(node) > 1 for node in nodes):
        kept = []
        for node in nodes:
            middle = len(node) // 2
            halves = (
                [node] if middle == 0 else [half for half in (node[:middle], node[middle:]) if fails(half)]
            )
            kept += halves
        nodes = kept
        if len(nodes) > _MANY:
            return None
    return tuple(node[0] for node in nodes) or None


# Large gradients: random directions tell right from wrong, and where one is wrong a search tells where.
#
# One slope along a random direction in which every entry of some tensors moves compares all of them at once: an
# error in any of them shows, but for a chance of measure zero, as long as it is larger than the rounding of the
# whole slope.

_SAMPLE = 8
_LOOKED_AT = 24
_FOR_SIGNATURE = 6
RIGHT_CALLS = 110
"""What the directions of a right gradient may cost in calls, beside what comes before them."""


@dataclass
class Part:
    """One tensor: its places in the vector, what was read along directions in it, and where it is wrong.

    kinks: the slices at kinks, which no later direction moves. finished: whether all was done that was to be done.
    """

    name: str
    shape: tuple[int, ...]
    places: Array
    readings: list[Reading] = field(default_factory=list)
    slices: Slices | None = None
    kinks: Slices | None = None
    kinked: Array = field(default_factory=lambda: np.zeros(0, int))
    finished: bool = False

    @property
    def wrong(self) -> bool:
        """Whether directions disagree: any of the first, and more than one where many were read."""
        return self._disagreeing > (1 if len(self.readings) > _FOR_SIGNATURE else 0)

    @property
    def open(self) -> bool:
        """Whether any direction leaves it open, or contradicts the others."""
        is_open = any(bool(np.any(reading.open)) for reading in self.readings)
        return not self.finished or is_open or (self._disagreeing > 0 and not self.wrong)

    @property
    def _disagreeing(self) -> int:
        return sum(bool(np.any(reading.wrong)) for reading in self.readings)


def by_directions(
    truth: Truth, form: Form, names: list[str], table: Table, rng: np.random.Generator
) -> list[Part]:
    """Compare the tensors `names` along random directions, and search where they fail; entries go into `table`."""
    places = form.views(np.arange(form.size))
    parts = [Part(name, form.leaf(name).shape, places[name].reshape(-1)) for name in names]
    parts = [part for part in parts if len(part.places)]
    suspected = _suspected(truth, parts, rng)
    budget = truth.probe.budget
    most = budget.limit
    for number, part in enumerate(suspected):
        share = budget.left // (len(suspected) - number)
        budget.limit = budget.used + share
        try:
            _examine(truth, part, table, rng)
            part.finished = True
        except OutOfCalls:
            part.finished = bool(part.readings) and part.wrong  # enough for a verdict
        finally:
            budget.limit = most
    return parts


def _suspected(truth: Truth, parts: list[Part], rng: np.random.Generator) -> list[Part]:
    """The tensors to look at more closely, after two directions through each, or through groups where they are many.

    A tensor alone in its group keeps its readings, and so do all members of a group that is right.
    """
    per_direction = 1 if truth.complex else 13 if truth.noisy else 8
    groups = max(1, min(len(parts), RIGHT_CALLS // (2 * per_direction)))
    suspected: list[Part] = []
    start = truth.probe.calls
    for group in range(groups):
        members = parts[group::groups]
        where = np.concatenate([part.places for part in members])
        try:
            readings: list[Reading] = []
            for direction in _two(truth, where, rng):
                if not readings or truth.probe.calls - start <= RIGHT_CALLS * (group + 0.4) / groups:
                    readings.append(truth.read(direction))  # the second, where the first was not too dear
        except OutOfCalls:
            suspected += members
            continue
        if any(np.any(reading.wrong | reading.open | reading.kink) for reading in readings):
            suspected += members
        for part in members:
            part.finished = True
        if len(members) == 1 or members[0] not in suspected:
            for part in members:
                part.readings = list(readings)
    for part in suspected:
        part.finished = False
    return suspected


def _two(truth: Truth, where: Array, rng: np.random.Generator) -> list[Direction]:
    """Two directions: one by the scale of each tensor, one by that of each entry."""
    return [random_direction(where, scale, rng) for scale in (truth.scales.tensor, truth.scales.own)]


def _examine(truth: Truth, part: Part, table: Table, rng: np.random.Generator) -> None:
    """Locate the error in a tensor that failed a direction test, alone or in a group."""
    if not part.readings:
        part.readings = [truth.read(direction) for direction in _two(truth, part.places, rng)]
    if any(np.any(reading.kink | reading.open) for reading in part.readings):
        _set_kinks_apart(truth, part, table, rng)
    if not part.wrong:
        return
    free = _without(part.places, part.kinked)
    if not len(free):
        return
    for _ in range(_FOR_SIGNATURE):
        part.readings.append(
            truth.read(random_direction(free, truth.scales.tensor, rng), thorough=True, confirm=False)
        )
    sample = rng.choice(free, min(_SAMPLE, len(free)), replace=False)
    for place in sample:
        look(truth, table, int(place))
    if np.mean(np.any(table.wrong[:, sample], axis=0)) > 0.7:
        return
    part.slices = locate(int(part.places[0]), part.shape, lambda where: _is_wrong(truth, where, part, rng))
    inside = _without(part.slices.places(int(part.places[0])), part.kinked)
    for place in inside if len(inside) <= _LOOKED_AT else rng.choice(inside, _SAMPLE, replace=False):
        if not table.seen[place]:
            look(truth, table, int(place))


def _is_wrong(truth: Truth, where: Array, part: Part, rng: np.random.Generator) -> bool:
    free = _without(where, part.kinked)
    if not len(free):
        return False
    reading = truth.read(random_direction(free, truth.scales.tensor, rng), confirm=False)
    return bool(np.any(reading.wrong))


def _set_kinks_apart(truth: Truth, part: Part, table: Table, rng: np.random.Generator) -> None:
    """Find the slices whose entries sit at a kink, and compare the rest without them."""

    def at_kink(where: Array) -> bool:
        reading = truth.read(random_direction(where, truth.scales.tensor, rng), thorough=True)
        return bool(np.any(reading.kink))

    part.kinks = locate(int(part.places[0]), part.shape, at_kink)
    part.kinked = part.kinks.places(int(part.places[0]))
    for place in part.kinked[:_LOOKED_AT]:
        look(truth, table, int(place))
    free = _without(part.places, part.kinked)
    if len(free):
        part.readings = [truth.read(direction) for direction in _two(truth, free, rng)]


def _without(places: Array, kinked: Array) -> Array:
    return np.setdiff1d(places, kinked) if len(kinked) else places

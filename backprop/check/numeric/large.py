"""Large gradients: random directions tell right from wrong, and where one is wrong a search tells where.

One slope along a random direction in which every entry of some tensors moves compares all of them at once: an error
in any of them shows, but for a chance of measure zero, as long as it is larger than the rounding of the whole slope.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.forms.tensors import Form
from backprop.check.numeric.directions import Direction, random_direction
from backprop.check.numeric.entries import Table, look
from backprop.check.numeric.evaluation import OutOfCalls
from backprop.check.numeric.reading import Reading
from backprop.check.numeric.search import Slices, locate
from backprop.check.numeric.truth import Truth

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
    """What is wrong in a tensor of which a direction failed, or through which one went in a group."""
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

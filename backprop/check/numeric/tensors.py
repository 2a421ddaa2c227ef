"""Search: a whole gradient compared, entry by entry or along random directions, and the place of a mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import DirectionalCheck
from backprop.check.numeric.slopes import Direction, entry_direction, random_direction
from backprop.check.oracle import OutOfCalls
from backprop.check.points import Structure

# Entries: the whole gradient compared entry by entry, for as few parameters as that can be done for.

_CONFIRMED = 12


@dataclass(frozen=True)
class Table:
    """The truth (m, p) of every entry beside the claim.

    tolerance: infinite where nothing can be said. error: how far the truth may be off. wrong, open, kink, steep,
    left, right: as in `Comparison`. reasons: of each entry of the point at a kink. seen (p,): which entries were
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


def every_entry(check: DirectionalCheck, where: Array) -> Table | None:
    """Compare the entries `where`; None where complex steps turn out to be no slopes, and all is to be done again."""
    table = empty_table(*check.claimed.shape)
    trusted = check.complex
    for index in where:
        try:
            look(check, table, int(index))
        except OutOfCalls:
            break
        if trusted and not check.complex:
            return None
    return table


def look(check: DirectionalCheck, table: Table, index: int) -> None:
    """Compare one entry and put it into the table."""
    direction = entry_direction(index, check.scales)
    comparison = check.compare(direction, confirm=check.confirmed < _CONFIRMED)
    scale = direction.by[0]
    at_kink = comparison.kink | comparison.open
    table.expected[:, index] = comparison.value / scale
    table.error[:, index] = np.where(at_kink, np.inf, comparison.error / scale)
    table.tolerance[:, index] = np.where(at_kink, np.inf, comparison.tolerance / scale)
    table.wrong[:, index] = comparison.wrong
    table.open[:, index] = comparison.open
    table.kink[:, index] = comparison.kink
    table.steep[:, index] = comparison.steep / abs(scale)
    table.left[:, index], table.right[:, index] = comparison.left / scale, comparison.right / scale
    table.seen[index] = True
    if comparison.reason:
        table.reasons[index] = comparison.reason


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
        searches = [
            ":" if one is None else str(one[0]) if len(one) == 1 else "{" + ", ".join(map(str, one)) + "}"
            for one in self.chosen
        ]
        return f"[{', '.join(searches)}]"


def locate(start: int, shape: tuple[int, ...], test: Callable[[Array], bool]) -> Slices:
    """The slices in which an error lies of the tensor whose entries begin at place `start`.

    test: whether the entries at given places fail together.
    """
    places = start + np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    chosen: list[tuple[int, ...] | None] = []
    for axis, length in enumerate(shape):

        def fails(slices: range, axis: int = axis) -> bool:
            return test(np.take(places, slices, axis=axis).reshape(-1))

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
class TensorSearch:
    """One tensor: its places in the vector, what was read along directions in it, and where it is wrong.

    kinks: the slices at kinks, which no later direction moves. finished: whether all was done that was to be done.
    """

    name: str
    shape: tuple[int, ...]
    places: Array
    comparisons: list[Comparison] = field(default_factory=list)
    slices: Slices | None = None
    kinks: Slices | None = None
    kinked: Array = field(default_factory=lambda: np.zeros(0, int))
    finished: bool = False

    @property
    def wrong(self) -> bool:
        """Whether directions disagree: any of the first, and more than one where many were read."""
        return self._disagreeing > (1 if len(self.comparisons) > _FOR_SIGNATURE else 0)

    @property
    def open(self) -> bool:
        """Whether any direction leaves it open, or contradicts the others."""
        is_open = any(bool(np.any(comparison.open)) for comparison in self.comparisons)
        return not self.finished or is_open or (self._disagreeing > 0 and not self.wrong)

    @property
    def _disagreeing(self) -> int:
        return sum(bool(np.any(comparison.wrong)) for comparison in self.comparisons)


def by_directions(
    check: DirectionalCheck,
    structure: Structure,
    names: list[str],
    table: Table,
    rng: np.random.Generator,
) -> list[TensorSearch]:
    """Compare the tensors `names` along random directions, and search where they fail; entries go into `table`."""
    places = structure.views(np.arange(structure.size))
    searches = [TensorSearch(name, structure.leaf(name).shape, places[name].reshape(-1)) for name in names]
    searches = [search for search in searches if len(search.places)]
    suspected = _suspected(check, searches, rng)
    budget = check.function.budget
    most = budget.limit
    for number, search in enumerate(suspected):
        share = budget.left // (len(suspected) - number)
        budget.limit = budget.used + share
        try:
            _examine(check, search, table, rng)
            search.finished = True
        except OutOfCalls:
            search.finished = bool(search.comparisons) and search.wrong  # enough for a verdict
        finally:
            budget.limit = most
    return searches


def _suspected(
    check: DirectionalCheck, searches: list[TensorSearch], rng: np.random.Generator
) -> list[TensorSearch]:
    """The tensors to look at more closely, after two directions through each, or through groups where they are many.

    A tensor alone in its group keeps its readings, and so do all members of a group that is right.
    """
    per_direction = 1 if check.complex else 13 if check.noisy else 8
    groups = max(1, min(len(searches), RIGHT_CALLS // (2 * per_direction)))
    suspected: list[TensorSearch] = []
    start = check.function.calls
    for group in range(groups):
        members = searches[group::groups]
        where = np.concatenate([search.places for search in members])
        try:
            comparisons: list[Comparison] = []
            for direction in _two(check, where, rng):
                if not comparisons or check.function.calls - start <= RIGHT_CALLS * (group + 0.4) / groups:
                    comparisons.append(
                        check.compare(direction)
                    )  # the second, where the first was not too dear
        except OutOfCalls:
            suspected += members
            continue
        if any(np.any(comparison.wrong | comparison.open | comparison.kink) for comparison in comparisons):
            suspected += members
        for search in members:
            search.finished = True
        if len(members) == 1 or members[0] not in suspected:
            for search in members:
                search.comparisons = list(comparisons)
    for search in suspected:
        search.finished = False
    return suspected


def _two(check: DirectionalCheck, where: Array, rng: np.random.Generator) -> list[Direction]:
    """Two directions: one by the scale of each tensor, one by that of each entry."""
    return [random_direction(where, scale, rng) for scale in (check.scales.tensor, check.scales.own)]


def _examine(check: DirectionalCheck, search: TensorSearch, table: Table, rng: np.random.Generator) -> None:
    """Locate the error in a tensor that failed a direction test, alone or in a group."""
    if not search.comparisons:
        search.comparisons = [check.compare(direction) for direction in _two(check, search.places, rng)]
    if any(np.any(comparison.kink | comparison.open) for comparison in search.comparisons):
        _set_kinks_apart(check, search, table, rng)
    if not search.wrong:
        return
    free = _without(search.places, search.kinked)
    if not len(free):
        return
    for _ in range(_FOR_SIGNATURE):
        search.comparisons.append(
            check.compare(random_direction(free, check.scales.tensor, rng), thorough=True, confirm=False)
        )
    sample = rng.choice(free, min(_SAMPLE, len(free)), replace=False)
    for place in sample:
        look(check, table, int(place))
    if np.mean(np.any(table.wrong[:, sample], axis=0)) > 0.7:
        return
    search.slices = locate(
        int(search.places[0]), search.shape, lambda where: _is_wrong(check, where, search, rng)
    )
    inside = _without(search.slices.places(int(search.places[0])), search.kinked)
    for place in inside if len(inside) <= _LOOKED_AT else rng.choice(inside, _SAMPLE, replace=False):
        if not table.seen[place]:
            look(check, table, int(place))


def _is_wrong(check: DirectionalCheck, where: Array, search: TensorSearch, rng: np.random.Generator) -> bool:
    free = _without(where, search.kinked)
    if not len(free):
        return False
    comparison = check.compare(random_direction(free, check.scales.tensor, rng), confirm=False)
    return bool(np.any(comparison.wrong))


def _set_kinks_apart(
    check: DirectionalCheck, search: TensorSearch, table: Table, rng: np.random.Generator
) -> None:
    """Find the slices whose entries sit at a kink, and compare the rest without them."""

    def at_kink(where: Array) -> bool:
        comparison = check.compare(random_direction(where, check.scales.tensor, rng), thorough=True)
        return bool(np.any(comparison.kink))

    search.kinks = locate(int(search.places[0]), search.shape, at_kink)
    search.kinked = search.kinks.places(int(search.places[0]))
    for place in search.kinked[:_LOOKED_AT]:
        look(check, table, int(place))
    free = _without(search.places, search.kinked)
    if len(free):
        search.comparisons = [check.compare(direction) for direction in _two(check, free, rng)]


def _without(places: Array, kinked: Array) -> Array:
    return np.setdiff1d(places, kinked) if len(kinked) else places

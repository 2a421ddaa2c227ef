"""Tensors: a whole gradient compared, entry by entry or along random directions, and the place of a mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.comparison import Comparison
from backprop.check.numeric.directional import QUOTIENTS, DirectionalCheck
from backprop.check.numeric.directions import Direction, entry_direction, random_direction
from backprop.check.numeric.looks import compare
from backprop.check.oracle import OutOfCalls

# Entries: the whole gradient compared entry by entry, for as few parameters as that can be done for.

_CONFIRMED = 12
"""Complex steps that real quotients confirmed: later ones are trusted without."""


class Table:
    """The truth (m, p) of every entry beside the claim.

    tolerance: infinite where nothing can be said. error: how far the truth may be off. wrong, open, kink, steep,
    left, right: as in `Comparison`. reasons: of each entry of the point at a kink. seen (p,): which entries were
    looked at.
    """

    def __init__(self, outputs: int, size: int) -> None:
        self.expected, self.left, self.right = np.full((3, outputs, size), np.nan)
        self.tolerance, self.error = np.full((2, outputs, size), np.inf)
        self.wrong, self.open, self.kink = np.zeros((3, outputs, size), bool)
        self.steep = np.zeros((outputs, size))
        self.seen = np.zeros(size, bool)
        self.reasons: dict[int, str] = {}

    def look(self, check: DirectionalCheck, index: int) -> None:
        """Compare one entry and put it into the table."""
        direction = entry_direction(index, check.scales)
        found = compare(check, direction, confirm=check.confirmed < _CONFIRMED)
        scale, unclear = direction.by[0], found.kink | found.open
        size, sides = abs(scale), (found.left, found.right) if scale > 0 else (found.right, found.left)
        self.expected[:, index] = found.value / scale
        self.error[:, index] = np.where(unclear, np.inf, found.error / size)
        self.tolerance[:, index] = np.where(unclear, np.inf, found.tolerance / size)
        self.wrong[:, index], self.open[:, index], self.kink[:, index] = found.wrong, found.open, found.kink
        self.steep[:, index] = found.steep / size
        self.left[:, index], self.right[:, index] = (side / scale for side in sides)
        self.seen[index] = True
        if found.reason:
            self.reasons[index] = found.reason


def every_entry(check: DirectionalCheck, where: Array) -> Table | None:
    """Compare the entries `where`; None where complex steps turn out to be no slopes, and all is to be done again."""
    table = Table(*check.claimed.shape)
    trusted = check.complex
    for index in where:
        try:
            table.look(check, int(index))
        except OutOfCalls:
            break
        if trusted and not check.complex:
            return None
    return table


# In which slices of a large tensor an error lies, by halving what moves, one axis after the other.
#
# A subset of slices is tested along one random direction. Where it fails, both its halves are; a single wrong entry
# of a (i, o) tensor costs about 2 log₂ i + 2 log₂ o tests. Where many slices of an axis fail, the error is spread
# along it, and a sample of its entries says more.

_MANY = 4
"""More slices than this that fail are not told one by one."""


@dataclass(frozen=True)
class Slices:
    """For every axis, the slices in which an error lies; None where they are many.

    places: all places of the tensor in the vector, in its shape.
    """

    chosen: tuple[tuple[int, ...] | None, ...]
    places: Array

    @property
    def inside(self) -> Array:
        """The places of all entries that lie in chosen slices of every axis."""
        axes = zip(self.chosen, self.places.shape, strict=True)
        grid = np.ix_(*(range(length) if one is None else list(one) for one, length in axes))
        return np.asarray(self.places[grid] if self.places.ndim else self.places).reshape(-1)

    def __str__(self) -> str:
        """The slices as Python writes them, such as `[:, 3]`."""
        parts = [
            ":" if one is None else str(one[0]) if len(one) == 1 else "{" + ", ".join(map(str, one)) + "}"
            for one in self.chosen
        ]
        return f"[{', '.join(parts)}]"


def locate(places: Array, test: Callable[[Array], bool]) -> Slices:
    """The slices of a tensor in which an error lies.

    places: the tensor's places in the vector, in its shape. test: whether the entries at given places fail together.
    """
    return Slices(tuple(_failing(places, axis, test) for axis in range(places.ndim)), places)


def _failing(places: Array, axis: int, test: Callable[[Array], bool]) -> tuple[int, ...] | None:
    """The slices of one axis that fail, by halving; None where they are many, or none fails alone."""
    nodes = [range(places.shape[axis])]
    while any(len(node) > 1 for node in nodes):
        kept: list[range] = []
        for node in nodes:
            middle = len(node) // 2
            halves = (node[:middle], node[middle:]) if middle else ()
            failing = [half for half in halves if test(np.take(places, half, axis).reshape(-1))]
            kept += failing if middle else [node]
        nodes = kept
        if len(nodes) > _MANY:
            return None
    return tuple(node[0] for node in nodes) or None


# Large gradients: random directions tell right from wrong, and where one is wrong a search tells where.
#
# One slope along a random direction in which every entry of some tensors moves compares all of them at once: an
# error in any of them shows, but for a chance of measure zero, as long as it is larger than the rounding of the
# whole slope.

_RIGHT_CALLS = 110
"""Calls for the directions of a right gradient: with what comes before them, at most 200 as `check_gradient` says."""
_PER_DIRECTION = {"complex": 1, "noisy": 13, "quiet": QUOTIENTS}
"""Calls that a direction takes, about: one complex step, or steps on both sides of the point."""
_SAMPLE, _LOOKED_AT = 8, 24
"""Entries looked at in a tensor that is wrong: a sample of it, and all of the slices in which the error lies."""
_FOR_SIGNATURE = 6
"""Directions more in a tensor that is wrong, so that signatures have so many values to fit."""
_SPREAD = 0.7
"""Of the sample: where more entries are wrong the error is spread over the tensor."""
_SECOND = 0.4
"""Of the calls of a group: the second direction is taken where the first has used no more."""


@dataclass
class TensorSearch:
    """One tensor: its places in the vector, what was compared along directions in it, and where it is wrong.

    kinks: the slices at kinks, which no later direction moves. finished: whether all was done that was to be done.
    """

    name: str
    shape: tuple[int, ...]
    places: Array
    comparisons: list[Comparison] = field(default_factory=list)
    slices: Slices | None = None
    kinks: Slices | None = None
    finished: bool = False

    @property
    def kinked(self) -> Array:
        """The places of the entries at kinks."""
        return np.zeros(0, int) if self.kinks is None else self.kinks.inside

    @property
    def wrong(self) -> bool:
        """Whether directions disagree: any of the first, and more than one where many were compared."""
        return self._disagreeing > (1 if len(self.comparisons) > _FOR_SIGNATURE else 0)

    @property
    def open(self) -> bool:
        """Whether any direction leaves it open, or contradicts the others."""
        is_open = any(bool(np.any(each.open)) for each in self.comparisons)
        return not self.finished or is_open or (self._disagreeing > 0 and not self.wrong)

    @property
    def _disagreeing(self) -> int:
        return sum(bool(np.any(each.wrong)) for each in self.comparisons)

    def without_kinks(self, places: Array) -> Array:
        """The places among these that are at no kink."""
        return np.setdiff1d(places, self.kinked) if self.kinks is not None else places


def by_directions(check: DirectionalCheck, names: tuple[str, ...], table: Table) -> list[TensorSearch]:
    """Compare the tensors `names` along random directions, and search where they fail; entries go into `table`."""
    structure, budget = check.function.structure, check.function.budget
    searches = [TensorSearch(name, structure.leaf(name).shape, structure.places[name]) for name in names]
    searches = [search for search in searches if len(search.places)]
    suspected = _suspected(check, searches)
    most = budget.limit
    for number, search in enumerate(suspected):
        budget.limit = budget.used + budget.left // (len(suspected) - number)
        try:
            _examine(check, search, table)
            search.finished = True
        except OutOfCalls:
            search.finished = bool(search.comparisons) and search.wrong  # enough for a verdict
        finally:
            budget.limit = most
    return searches


def _suspected(check: DirectionalCheck, searches: list[TensorSearch]) -> list[TensorSearch]:
    """The tensors to look at more closely, after two directions through each, or through groups where they are many.

    A tensor alone in its group keeps its comparisons, and so do all members of a group that is right.
    """
    per_direction = _PER_DIRECTION["complex" if check.complex else "noisy" if check.noisy else "quiet"]
    groups = max(1, min(len(searches), _RIGHT_CALLS // (2 * per_direction)))
    suspected: list[TensorSearch] = []
    start = check.function.calls
    for group in range(groups):
        members = searches[group::groups]
        where = np.concatenate([search.places for search in members])
        comparisons: list[Comparison] = []
        try:
            for direction in two_directions(check, where):
                used = check.function.calls - start
                if not comparisons or used <= _RIGHT_CALLS * (group + _SECOND) / groups:
                    comparisons.append(compare(check, direction))
        except OutOfCalls:
            suspected += members
            continue
        if not all(each.clean for each in comparisons):
            suspected += members
        for search in members:
            search.finished = True
        if len(members) == 1 or members[0] not in suspected:
            for search in members:
                search.comparisons = list(comparisons)
    for search in suspected:
        search.finished = False
    return suspected


def two_directions(check: DirectionalCheck, where: Array) -> list[Direction]:
    """Two directions: one by the scale of each tensor, one by that of each entry."""
    return [random_direction(where, check.scales, check.rng, by_tensor=each) for each in (True, False)]


def _examine(check: DirectionalCheck, search: TensorSearch, table: Table) -> None:
    """Locate the error in a tensor that failed a direction test, alone or in a group."""
    if not search.comparisons:
        search.comparisons = [compare(check, direction) for direction in two_directions(check, search.places)]
    if any(np.any(each.kink | each.open) for each in search.comparisons):
        _set_kinks_apart(check, search, table)
    free = search.without_kinks(search.places)
    if not search.wrong or not len(free):
        return
    for _ in range(_FOR_SIGNATURE):
        direction = random_direction(free, check.scales, check.rng, by_tensor=True)
        search.comparisons.append(compare(check, direction, thorough=True, confirm=False))
    sample = check.rng.choice(free, min(_SAMPLE, len(free)), replace=False)
    for place in sample:
        table.look(check, int(place))
    if np.mean(np.any(table.wrong[:, sample], axis=0)) > _SPREAD:
        return

    def is_wrong(where: Array) -> bool:
        free = search.without_kinks(where)
        if not len(free):
            return False
        direction = random_direction(free, check.scales, check.rng, by_tensor=True)
        return bool(np.any(compare(check, direction, confirm=False).wrong))

    search.slices = locate(search.places.reshape(search.shape), is_wrong)
    inside = search.without_kinks(search.slices.inside)
    for place in inside if len(inside) <= _LOOKED_AT else check.rng.choice(inside, _SAMPLE, replace=False):
        if not table.seen[place]:
            table.look(check, int(place))


def _set_kinks_apart(check: DirectionalCheck, search: TensorSearch, table: Table) -> None:
    """Find the slices whose entries sit at a kink, and compare the rest without them."""

    def at_kink(where: Array) -> bool:
        direction = random_direction(where, check.scales, check.rng, by_tensor=True)
        return bool(np.any(compare(check, direction, thorough=True).kink))

    search.kinks = locate(search.places.reshape(search.shape), at_kink)
    for place in search.kinked[:_LOOKED_AT]:
        table.look(check, int(place))
    free = search.without_kinks(search.places)
    if len(free):
        search.comparisons = [compare(check, direction) for direction in two_directions(check, free)]

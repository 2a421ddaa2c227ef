"""The first wrong value of a repair: what was got, and what is known of the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backprop.arrays import Array
from backprop.check.lines.events import Event
from backprop.check.lines.naming import called
from backprop.check.lines.repair import Repair
from backprop.check.lines.search import Search
from backprop.check.lines.sites import Site, stem
from backprop.check.lines.tensors import rms
from backprop.check.patterns import Known

MOST_ENTRIES = 150
"""The truth of a value with at most this many entries is computed entry by entry, where enough calls are left."""
_ALONG = 6
"""Random directions along which a value is compared where it has too many entries to compare each."""


FEWEST, _MOST_CALLS = 3, 12
"""So many values that equal those of a formula do not equal them by chance; executions that are compared."""


@dataclass(frozen=True)
class Wrong:
    """The first wrong value of a repair: what was got, and what is known of the truth.

    name: of the variable by which the value should be the derivative; empty for a local value. of: the line of that
    variable in the forward pass, 0 for a tensor of the point.
    """

    name: str
    got: Array
    shape: tuple[int, ...]
    known: Known
    of: int

    @property
    def is_zero(self) -> bool:
        """Whether the truth is zero."""
        return bool(np.all(np.abs(self.known.values) <= self.known.tolerance))


def place_of(site: Site, own: Site) -> str:
    """The line of a site in words, with the cell of a notebook where that is not the cell of `own`."""
    return f"line {site.line}" + (
        f" of {called(site.path).rpartition(', ')[2]}" if site.path != own.path else ""
    )


def wrong_value(repair: Repair, search: Search) -> Wrong:
    """What is known of the first wrong value: every entry where there are few, else slopes along directions."""
    truth, target = search.truth, repair.target
    back, ahead = repair.pairs[repair.first]
    got = np.asarray(truth.base.values[back], np.float64)
    if target.group is None:
        structure = truth.program.structure
        shape, size = structure.leaf(target.name).shape, structure.leaf(target.name).size
    else:
        shape, size = truth.base.values[ahead].shape, truth.base.values[ahead].size
    if repair.values:
        expected = repair.values[repair.first]
        tolerance = np.full(expected.size, 100 * truth.rtol * rms(expected))
        of = repair.of.line if repair.of else 0
        return Wrong("", got, expected.shape, Known(expected.reshape(-1), tolerance), of)
    is_tensor = target.group is None
    entries, directions = truth.entries(target.name if is_tensor else ahead, MOST_ENTRIES), None
    if entries is None:
        directions = truth.rng.standard_normal((_ALONG, size))
        entries = np.array([truth.slope_of(target.name, ahead, v, is_tensor=is_tensor) for v in directions])
    values = entries / repair.factor
    tolerance = np.full(len(values), truth.rtol * max(float(np.max(np.abs(values))), 1e-300) + truth.noise)
    name = target.name if target.group is None else (stem(target.group.site.name) or target.name)
    of = 0 if target.group is None else target.group.site.line
    return Wrong(name, got, shape, Known(values, tolerance, directions), of)


def in_shape(seen: Wrong) -> Wrong:
    """The value in the shape of the truth, if it has as many entries, and is wrong in that shape as in its own."""
    if seen.got.size != np.prod(seen.shape) or seen.got.shape == seen.shape[::-1]:
        return seen
    got = seen.got.reshape(seen.shape)
    return seen if seen.known.fits(seen.known.of(got), 2) else replace(seen, got=got)


def executions(repair: Repair, seen: Wrong, search: Search) -> tuple[list[Event], Known, Array]:
    """Events of the forward pass, the truth by them, and what was got: of the first wrong execution.

    Of all executions where each gives too few values to tell. Without an event where the truth is not known by entry.
    """
    truth, base = search.truth, search.truth.base.values
    if repair.values or repair.target.group is None:
        return [], seen.known, seen.got
    if len(seen.known.values) >= FEWEST or len(repair.pairs) == 1:
        is_known = seen.known.directions is None and repair.ahead in search.order
        return [repair.ahead] * is_known, seen.known, seen.got.reshape(-1)
    pairs = repair.pairs[:_MOST_CALLS]
    slopes = [truth.entries(ahead, FEWEST) for _, ahead in pairs]
    got = [np.asarray(base[back], np.float64).reshape(-1) for back, _ in pairs]
    known = [each / repair.factor for each in slopes if each is not None]
    if list(map(len, known)) != list(map(len, got)) or any(one not in search.order for _, one in pairs):
        return [], seen.known, seen.got
    values = np.concatenate(known)
    tolerance = np.full(len(values), truth.rtol * max(float(np.max(np.abs(values))), 1e-300) + truth.noise)
    return [ahead for _, ahead in pairs], Known(values, tolerance), np.concatenate(got)

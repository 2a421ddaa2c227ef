"""Directions: the bounds of the point, the scale by which each entry moves, and the entries that move together.

The scale of an entry is |x|; where that is 0, the root mean square of its tensor, or 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import Leaf, round_to
from backprop.check.points import Structure
from backprop.check.trees import parts_of
from backprop.check.words import describe
from backprop.errors import CheckError
from backprop.verify.agreement import norm

# Bounds: the least and the largest value of every entry.

Bounds = tuple[Array, Array]
"""The least and the largest values (p,)."""


def bounds_of(bounds: Any, structure: Structure, x: Array) -> Bounds | None:
    """The bounds of a point (p,), from what `check_gradient` takes.

    Raises `CheckError` if they cannot be read as bounds, or if an entry lies outside of them or has no room to move.
    """
    if bounds is None:
        return None
    by_name = isinstance(bounds, Mapping) and set(bounds) <= set(structure.names)
    low, high = np.full(len(x), -np.inf), np.full(len(x), np.inf)
    for name in bounds if by_name else ():
        where = structure.places[name]
        low[where], high[where] = (_of_tensor(side, structure.leaf(name)) for side in _sides(bounds[name]))
    if not by_name:
        low, high = (_of_point(side, structure) for side in _sides(bounds))
    # A float32 number on an edge may lie outside of it in float64.
    rounding = 4 * structure.format.eps * np.abs(x)
    low = np.where(np.abs(x - low) <= rounding, np.minimum(low, x), low)
    high = np.where(np.abs(x - high) <= rounding, np.maximum(high, x), high)
    for k in np.flatnonzero(~((low <= x) & (x <= high)) | (low == high)):
        name, index = structure.layout.locate(int(k))
        place = f"{name}[{', '.join(map(str, index))}]" if index else name
        raise CheckError(
            f"{place} is {x[k]:.6g}; expected room for it to move within its bounds, {low[k]:.6g} and {high[k]:.6g}."
        )
    return low, high


def _sides(bounds: Any) -> tuple[Any, Any]:
    """The lower and the upper bounds, from a pair, SciPy's Bounds, or a list with a pair for each entry."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = (bounds.lb, bounds.ub)
    if isinstance(bounds, list) and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in bounds):
        pairs = [_sides(tuple(pair)) for pair in bounds]
        return [low for low, _ in pairs], [high for _, high in pairs]
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise CheckError(f"The bounds are {describe(bounds)}; expected (lower, upper).")
    low, high = bounds
    return -np.inf if low is None else low, np.inf if high is None else high


def _of_point(side: Any, structure: Structure) -> Array:
    """One side of the bounds (p,): a number for all, or numbers in the form of the point."""
    if structure.tree == 0:
        return _of_tensor(side, structure.leaves[0])
    if parts_of(side) is None and np.ndim(side) == 0:
        return np.full(structure.size, side, np.float64)
    try:
        return structure.read(side)
    except (TypeError, ValueError):
        raise CheckError(f"The bounds have {describe(side)}; expected the form of the point.") from None


def _of_tensor(side: Any, leaf: Leaf) -> Array:
    """One side of the bounds of a tensor: a number, or one for each entry."""
    try:
        return np.broadcast_to(np.asarray(side, np.float64), leaf.shape).reshape(-1)
    except (TypeError, ValueError):
        got = describe(side)
        raise CheckError(f"The bounds of {leaf.name} have {got}; expected its shape {leaf.shape}.") from None


def has_room(bounds: Bounds | None, structure: Structure, x: Array) -> bool:
    """Whether every entry can be moved by small steps to both sides."""
    if bounds is None:
        return True
    step = 2 * np.cbrt(structure.format.eps)
    for places in structure.places.values():
        room = step * (norm(x[places]) / np.sqrt(max(1, len(places))) or 1.0)
        if np.any(x[places] - room < bounds[0][places]) or np.any(x[places] + room > bounds[1][places]):
            return False
    return True


def is_within(point: Array, bounds: Bounds | None) -> bool:
    """Whether a point (p,) lies within its bounds."""
    return bounds is None or bool(np.all((bounds[0] <= point) & (point <= bounds[1])))


# Directions, by the scale of each entry.

RATIO = 4.0
"""Steps fall by this factor: a power of two, so that no step is rounded."""
FIRST_STEP = 17 / 1024
"""The first step, of the scale: no power of two, where a period of the function might hide; few bits, to be exact."""
UNEVEN = 0.7390851332151607
"""A share of a step with many bits (the fixed point of the cosine), in no simple ratio to other steps."""
_REACH = 2.0**14
"""The longest step, of the scale: the first step times `RATIO` ten times."""
SIZES = (0.5, 1.5)
"""Random numbers lie between these: none is small."""
_BITS = 10
"""Bits of an entry's step: a step from zero is exact in any dtype, so that its rounding adds no slope."""


@dataclass(frozen=True)
class Direction:
    """Entries `where` (k,) of the point move by `by` (k,) for a step of one; steps up to `reach` make sense."""

    where: Array
    by: Array
    reach: float = _REACH

    def along(self, rows: Array) -> Array:
        """The derivative (m,) along it that a gradient (m, p) claims."""
        claimed: Array = rows[:, self.where] @ self.by
        return claimed

    def size(self, rows: Array) -> Array:
        """‖g∘v‖ (m,): what the parts of that derivative amount to, whatever their signs."""
        parts = np.abs(rows[:, self.where] * self.by).astype(np.float64)
        largest = np.max(parts, axis=1, keepdims=True, initial=0)
        unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)  # so that no square overflows
        return np.asarray(unit[:, 0] * np.linalg.norm(parts / unit, axis=1))

    def moved(self, point: Array, step: float) -> Array:
        """A point (p,) moved by a step, in memory of its own."""
        there = point.copy()
        there[self.where] += step * self.by
        return there

    def dense(self, size: int) -> Array:
        """The direction as a dense vector (p,)."""
        vector = np.zeros(size, self.by.dtype)
        vector[self.where] = self.by
        return vector


@dataclass(frozen=True)
class Scales:
    """The scales of all entries (p,): each one's own, and that of its tensor, which is never smaller.

    inward (p,): 1 or -1 for entries on the edge of their bounds, which move to this side alone; 0 for others.
    """

    own: Array
    tensor: Array
    inward: Array


_EDGE = 2.0**-7
"""Of the room on the other side: an entry with less room on one side is on the edge of its bounds."""


def scales(structure: Structure, point: Array, factor: float = 1.0, bounds: Bounds | None = None) -> Scales:
    """The scales (p,) of the entries of a point, times a factor, and no larger than the room within their bounds."""
    own, tensor = np.abs(point), np.empty_like(point)
    for name, view in structure.views(tensor).items():
        x = structure.views(own)[name]
        largest = np.max(x, initial=0)
        mean = largest * np.sqrt(np.mean((x / largest) ** 2)) if largest > 0 else 1.0
        view[...] = np.maximum(x, mean)
    own, tensor = factor * np.where(own > 0, own, tensor), factor * tensor
    if bounds is None:
        return Scales(own, tensor, np.zeros(len(point)))
    down, up = point - bounds[0], bounds[1] - point
    most = np.maximum(down, up)
    at_edge = np.minimum(down, up) < _EDGE * np.minimum(most, own)
    room = np.where(at_edge, most, np.minimum(down, up))
    inward = np.where(at_edge, np.where(up >= down, 1.0, -1.0), 0.0)
    return Scales(np.minimum(own, room), np.minimum(tensor, room), inward)


def random_signs(shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random numbers 1 and -1."""
    return np.asarray(rng.choice((-1.0, 1.0), shape))


def random_weights(shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random numbers of size 0.5 to 1.5 and either sign: none is small, and no two cancel each other."""
    return np.asarray(rng.uniform(*SIZES, shape) * random_signs(shape, rng))


def drawn(count: int, rng: np.random.Generator) -> Array:
    """Numbers of five bits, which every format holds, of either sign, between a half and one and a half."""
    return np.asarray(rng.integers(8, 25, count) / 16 * random_signs(count, rng))


def random_direction(
    where: Array, scale: Scales, rng: np.random.Generator, *, by_tensor: bool = False
) -> Direction:
    """The entries `where` move by ±(0.5 to 1.5) of their own or their tensor's scale: each of them moves."""
    weights, inward = random_weights(len(where), rng), scale.inward[where]
    weights = np.where(inward != 0, inward * np.abs(weights), weights)
    size = (scale.tensor if by_tensor else scale.own)[where]
    return Direction(where, round_to(weights * size, _BITS).astype(size.dtype))


def entry_direction(index: int, scale: Scales) -> Direction:
    """One entry by its own scale."""
    by = (-1.0 if scale.inward[index] < 0 else 1.0) * round_to(scale.own[[index]], _BITS)
    return Direction(np.array([index]), by, _REACH * float(scale.tensor[index] / abs(by[0])))

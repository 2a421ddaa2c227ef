"""Directions: which entries of the point move together, by how much, and by what scale each one goes.

The scale of an entry is |x|; where that is 0, the root mean square of its tensor, or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.points import Structure

RATIO = 4.0
"""Steps fall by this factor: a power of two, so that no step is rounded."""
FIRST_STEP = 17 / 1024
"""The first step, of the scale: no power of two, where a period of the function might hide; few bits, to be exact."""
_REACH = 2.0**14
"""The longest step, of the scale: the first step times `RATIO` ten times."""


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
        return np.asarray(np.linalg.norm((rows[:, self.where] * self.by).astype(np.float64), axis=1))

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


def scales(
    structure: Structure, point: Array, factor: float = 1.0, bounds: tuple[Array, Array] | None = None
) -> Scales:
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


def random_signs(count: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random numbers 1 and -1."""
    return np.asarray(rng.choice((-1.0, 1.0), count))


def random_direction(
    where: Array, scale: Array, rng: np.random.Generator, inward: Array | None = None
) -> Direction:
    """Entries `where` by ±(0.5 to 1.5) of their scale: none stands still, and no two errors cancel but by chance.

    inward (p,): the sign of those that move to one side alone, as in `Scales`.
    """
    sizes, signs = rng.uniform(0.5, 1.5, len(where)), random_signs(len(where), rng)
    if inward is not None:
        signs = np.where(inward[where] != 0, inward[where], signs)
    return Direction(where, _few_bits(sizes * signs * scale[where]).astype(scale.dtype))


def entry_direction(index: int, scale: Scales) -> Direction:
    """One entry by its own scale."""
    sign = -1.0 if scale.inward[index] < 0 else 1.0
    by = sign * _few_bits(scale.own[[index]])
    return Direction(np.array([index]), by, _REACH * float(scale.tensor[index] / abs(by[0])))


def _few_bits(values: Array) -> Array:
    """The values with ten bits each: a step from zero is exact in any dtype, and its rounding not seen as slope."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 1024) / 1024, exponent))

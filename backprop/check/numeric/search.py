"""Search: in which slices of a large tensor an error lies, by halving what moves, one axis after the other.

A subset of slices is tested along one random direction. Where it fails, both its halves are; a single wrong entry
of a (i, o) tensor costs about 2 log₂ i + 2 log₂ o tests. Where many slices of an axis fail, the error is spread along
it, and a sample of its entries says more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array

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

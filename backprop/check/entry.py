"""Single entries of a tensor: what the gradient says of each, and what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array


@dataclass(frozen=True)
class Entry:
    """One entry of a tensor: its index, what the gradient says, what is right, and how sure that is.

    uncertainty: the most that `expected` may be off, in its own units; 0 where it is exact to rounding, infinite at a
    kink, where `expected` is the middle between the slopes on both sides.
    """

    index: tuple[int, ...]
    got: float
    expected: float
    uncertainty: float = 0.0


_WORST = 5
"""Wrong entries that are shown of a tensor."""


def worst_entries(
    got: Array, expected: Array, uncertainty: Array, wrong: Array, shape: tuple[int, ...]
) -> tuple[Entry, ...]:
    """The entries of a tensor of this shape that are `wrong`, those first that are farthest off."""
    off = np.where(wrong, np.abs(got - expected), -1).reshape(-1).astype(np.float64)
    order = np.argsort(-np.where(np.isnan(off), np.inf, off))[:_WORST]
    numbers = [each.reshape(-1) for each in (got, expected, uncertainty)]
    return tuple(
        Entry(
            tuple(map(int, np.unravel_index(k, shape))) if shape else (),
            *(float(each[k]) for each in numbers),
        )
        for k in order[off[order] >= 0]
    )

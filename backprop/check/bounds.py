"""Bounds: the least and the largest value of every entry of a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.leaves import Leaf
from backprop.check.points import Structure, describe
from backprop.check.trees import parts_of
from backprop.errors import CheckError

Bounds = tuple[Array, Array]
"""The least and the largest values (p,)."""


def bounds_of(bounds: Any, structure: Structure, x: Array) -> Bounds | None:
    """The bounds of a point (p,), from what `check_gradient` takes.

    Raises `CheckError` where these are none, or where an entry lies outside of them, or has no room within them.
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
    rounding = (
        4 * structure.format.eps * np.abs(x)
    )  # a float32 number on an edge may lie beyond it in float64
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
    """Lower and upper: of a pair, of SciPy's Bounds, or of a list with a pair for each entry."""
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
        room = step * (np.sqrt(np.mean(x[places] ** 2)) or 1.0)
        if np.any(x[places] - room < bounds[0][places]) or np.any(x[places] + room > bounds[1][places]):
            return False
    return True


def is_within(point: Array, bounds: Bounds | None) -> bool:
    """Whether a point (p,) lies within its bounds."""
    return bounds is None or bool(np.all((bounds[0] <= point) & (point <= bounds[1])))

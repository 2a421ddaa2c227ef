"""Tree: the containers of a point, and its numbers at their ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import CheckError
from backprop.parameters import Layout, Parameters

Tree = Any
"""The number of a tensor, or a container of trees."""


@dataclass(frozen=True)
class Leaf:
    """A tensor of a point.

    scalar: the type of a number that is no array, None for an array. weak: a Python or whole number, whose gradient
    may be of any floating dtype.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scalar: type | None = None
    weak: bool = False

    @property
    def size(self) -> int:
        """The number of its entries."""
        return math.prod(self.shape)

    def build(self, values: Array, dtype: DType | None = None) -> Any:
        """`values` as an array of its own, or as the number that it was."""
        wanted = self.dtype if dtype is None else dtype
        if self.scalar is None:
            return np.array(values, wanted).reshape(self.shape)
        number = values.astype(wanted).reshape(())[()]
        return number.item() if self.scalar is float and wanted.itemsize <= 16 else number


@dataclass(frozen=True)
class Branch:
    """A container: its type, its keys (of a mapping) or places (of a sequence), and what lies there."""

    kind: type
    keys: tuple[Any, ...]
    children: tuple[Any, ...]

    @property
    def is_mapping(self) -> bool:
        """Whether it is a dict or the like."""
        return issubclass(self.kind, Mapping)

    @property
    def word(self) -> str:
        """What to call it in a message."""
        return "dict" if self.is_mapping else "tuple" if issubclass(self.kind, tuple) else "list"

    def rebuild(self, children: list[Any]) -> Any:
        """A container of the same kind around other children; a plain dict where its kind cannot be made of pairs."""
        if issubclass(self.kind, Parameters):
            tensors = [np.asarray(child) for child in children]
            layout = Layout(
                tuple((str(key), each.shape) for key, each in zip(self.keys, tensors, strict=True))
            )
            return Parameters(layout, np.concatenate([each.ravel() for each in tensors]))
        if self.is_mapping:
            pairs = list(zip(self.keys, children, strict=True))
            try:
                return self.kind(pairs)  # type: ignore[call-arg]
            except TypeError:
                return dict(pairs)
        if hasattr(self.kind, "_make"):  # a named tuple
            return self.kind._make(children)
        return self.kind(children)  # type: ignore[call-arg]


def join(path: str, key: Any, is_mapping: bool) -> str:
    """The name of what lies at `key` of the container called `path`."""
    if is_mapping and isinstance(key, str):
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"


def tree_of(point: Any, path: str, lone: str, leaves: list[Leaf], arrays: list[Array]) -> Any:
    """The tree below `path`; its tensors are appended to `leaves`, their values to `arrays`."""
    if isinstance(point, Mapping):
        items = list(point.items())
    elif isinstance(point, list | tuple):
        items = list(enumerate(point))
    else:
        leaf, array = _leaf(point, path or lone)
        leaves.append(leaf)
        arrays.append(array)
        return len(leaves) - 1
    is_mapping = isinstance(point, Mapping)
    children = tuple(
        tree_of(child, join(path, key, is_mapping), lone, leaves, arrays) for key, child in items
    )
    return Branch(type(point), tuple(key for key, _ in items), children)


def _leaf(value: Any, name: str) -> tuple[Leaf, Array]:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number and not hasattr(value, "__array__"):
        raise CheckError(f"The point has {describe(value)} at {name}; expected an array or a number.")
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise CheckError(f"The point has the dtype {array.dtype} at {name}; expected real numbers.")
    whole = array.dtype.kind != "f"
    dtype = np.dtype(np.float64) if whole else array.dtype.newbyteorder("=")
    scalar = None
    if is_number:
        scalar = float if isinstance(value, int | float) and not isinstance(value, np.number) else dtype.type
    return Leaf(name, array.shape, dtype, scalar, weak=whole or scalar is float), array


def describe(value: Any) -> str:
    """What a value is, in a word or two, for a message."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"

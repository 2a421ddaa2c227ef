"""Points: trees of arrays, numbers under names, and the one vector (p,) in which they are moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import CheckError
from backprop.parameters import Layout, Parameters

# Tree: the containers of a point, and its numbers at their ends.

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
        """The word for it in a message."""
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
    """Describe a value in a word or two, for a message."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


# Tensors: a point of any form, an array or nested dicts, lists and tuples of them, as one vector (p,) and back.
#
# Each array has a name: `x` for a point that is one array, the key of a dict (`W1`), the place in a list (`[0]`),
# and the way to it where they are nested (`layers[1].W`).


@dataclass(frozen=True)
class Structure:
    """The structure of a point: its tree of containers, and its tensors in their order in the vector."""

    tree: Tree
    leaves: tuple[Leaf, ...]

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in the vector."""
        return Layout(tuple((leaf.name, leaf.shape) for leaf in self.leaves))

    @cached_property
    def places(self) -> dict[str, Array]:
        """Where the entries of each tensor lie in the vector, one after another."""
        return {name: view.reshape(-1) for name, view in self.views(np.arange(self.size)).items()}

    @property
    def size(self) -> int:
        """p, the number of all entries."""
        return self.layout.size

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names."""
        return self.layout.names

    @cached_property
    def dtype(self) -> DType:
        """The dtype in which the tensors count as one vector: float64, or wider where a tensor is."""
        return np.result_type(np.float64, *(leaf.dtype for leaf in self.leaves))

    @cached_property
    def own_dtype(self) -> DType:
        """The narrowest dtype of the tensors: to its rounding the point is known."""
        return min((leaf.dtype for leaf in self.leaves), key=lambda dtype: -np.finfo(dtype).eps)

    def leaf(self, name: str) -> Leaf:
        """The tensor of that name."""
        return self.leaves[self.names.index(name)]

    def views(self, vector: Array) -> dict[str, Array]:
        """The tensors by name, as views of `vector` (p,)."""
        return self.layout.views(vector)

    def vector(self, tensors: Mapping[str, Array], dtype: DType | None = None) -> Array:
        """The tensors, by name, copied into one vector (p,) of `dtype`, by default that of the form."""
        vector = np.empty(self.size, self.dtype if dtype is None else dtype)
        for name, view in self.views(vector).items():
            view[...] = tensors[name]
        return vector

    def build(self, vector: Array, dtype: DType | None = None) -> Any:
        """A point of this form from `vector` (p,), in memory of its own; each tensor in `dtype`, or in its own."""
        views = self.views(vector)
        return _build(self.tree, [leaf.build(views[leaf.name], dtype) for leaf in self.leaves])

    def __str__(self) -> str:
        names = self.names if len(self.names) <= 12 else (*self.names[:11], f"… ({len(self.names)} in all)")
        return ", ".join(names)


def structure_of(point: Any, name: str = "x") -> tuple[Structure, Array]:
    """The form of a point and its values as one vector (p,), of float64 or wider.

    `name` is what a point that is a single array is called. Whole numbers count as float64. Raises `CheckError`
    where the point holds something else than real numbers, NaN or infinity, or nothing at all.
    """
    leaves: list[Leaf] = []
    arrays: list[Array] = []
    structure = Structure(tree_of(point, "", name, leaves, arrays), tuple(leaves))
    if len(set(structure.names)) < len(structure.names):
        twice = next(each for each in structure.names if structure.names.count(each) > 1)
        raise CheckError(f"Two tensors of the point are called {twice}; expected names that differ.")
    if structure.size == 0:
        raise CheckError("The point has no entries; expected at least one number.")
    for leaf, array in zip(leaves, arrays, strict=True):
        if not np.all(np.isfinite(array)):
            raise CheckError(f"The point has NaN or infinity in {leaf.name}; expected finite numbers.")
    return structure, structure.vector(dict(zip(structure.names, arrays, strict=True)))


def _build(tree: Tree, tensors: list[Any]) -> Any:
    """The containers around the tensors."""
    if isinstance(tree, Branch):
        return tree.rebuild([_build(child, tensors) for child in tree.children])
    return tensors[tree]

"""Tensors: a point of any form, an array or nested dicts, lists and tuples of them, as one vector (p,) and back.

Each array has a name: `x` for a point that is one array, the key of a dict (`W1`), the place in a list (`[0]`),
and the way to it where they are nested (`layers[1].W`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.forms.tree import Branch, Leaf, Tree, tree_of
from backprop.errors import CheckError
from backprop.parameters import Layout


@dataclass(frozen=True)
class Form:
    """How a point is built: its tree of containers, and its tensors in the order in which they lie in the vector."""

    tree: Tree
    leaves: tuple[Leaf, ...]

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in the vector."""
        return Layout(tuple((leaf.name, leaf.shape) for leaf in self.leaves))

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


def form_of(point: Any, name: str = "x") -> tuple[Form, Array]:
    """The form of a point and its values as one vector (p,), of float64 or wider.

    `name` is what a point that is a single array is called. Whole numbers count as float64. Raises `CheckError`
    where the point holds something else than real numbers, NaN or infinity, or nothing at all.
    """
    leaves: list[Leaf] = []
    arrays: list[Array] = []
    form = Form(tree_of(point, "", name, leaves, arrays), tuple(leaves))
    if len(set(form.names)) < len(form.names):
        twice = next(each for each in form.names if form.names.count(each) > 1)
        raise CheckError(f"Two tensors of the point are called {twice}; expected names that differ.")
    if form.size == 0:
        raise CheckError("The point has no entries; expected at least one number.")
    for leaf, array in zip(leaves, arrays, strict=True):
        if not np.all(np.isfinite(array)):
            raise CheckError(f"The point has NaN or infinity in {leaf.name}; expected finite numbers.")
    return form, form.vector(dict(zip(form.names, arrays, strict=True)))


def _build(tree: Tree, tensors: list[Any]) -> Any:
    """The containers around the tensors."""
    if isinstance(tree, Branch):
        return tree.rebuild([_build(child, tensors) for child in tree.children])
    return tensors[tree]

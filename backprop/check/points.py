"""Points: trees of arrays, numbers under names, and the one vector (p,) in which they are moved."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.leaves import (
    Format,
    Leaf,
    back_to,
    format_of,
    is_jax,
    is_pandas,
    is_torch,
    read,
    to_numpy,
)
from backprop.check.trees import Constant, Parts, Tree, ends_of, join, mapped, parts_of
from backprop.check.words import describe, some
from backprop.errors import CheckError
from backprop.parameters import Layout


def _leaf(value: Any, name: str) -> tuple[Leaf, Array]:
    """The tensor that a value is, and its real numbers."""
    is_number = isinstance(value, int | float | complex | np.number) and not isinstance(value, bool)
    array, form = read(value)
    if form is None:  # whole numbers
        dtype, form = np.dtype(np.float64), format_of(np.dtype(np.float64))
        array = array.astype(np.float64)
        return Leaf(name, array.shape, dtype, form, float if is_number else None, weak=True), array
    is_complex = array.dtype.kind == "c"
    scalar: type | None = None
    if is_number:
        plain = not isinstance(value, np.number)
        scalar = (complex if is_complex else float) if plain else array.dtype.type
    array = array.astype(array.dtype.newbyteorder("="))
    leaf = Leaf(
        name,
        (*array.shape, 2) if is_complex else array.shape,
        array.real.dtype,
        form,
        scalar,
        weak=scalar in (float, complex),
        is_complex=is_complex,
        conjugate=is_jax(value),
        native=back_to(value, form),
    )
    return leaf, (dataclasses.replace(leaf, conjugate=False)).parts(array)


_PLAIN = (np.ndarray, np.memmap)


def _kind(value: Any, name: str, what: str) -> str:
    """Whether a value is floating, whole, or constant; raises `CheckError` for what is none of these."""
    if value is None or isinstance(value, bool | str | bytes) or callable(value):
        return "constant"
    is_number = isinstance(value, int | float | complex | np.number)
    if not is_number and not hasattr(value, "__array__"):
        raise CheckError(f"The {what} has {describe(value)} at {name}; expected an array or a number.")
    if isinstance(value, np.ndarray) and type(value) not in _PLAIN:  # whose products or masks would be lost
        raise CheckError(
            f"The {what} has {describe(value)} at {name}; expected a plain array, as of np.asarray."
        )
    array, form = read(value)
    if form is not None:
        return "floating"
    if array.dtype.kind in "iu":
        return "whole"
    if array.dtype.kind in "bSUMmV" or is_pandas(value):
        return "constant"
    raise CheckError(f"The {what} has the dtype {array.dtype} at {name}; expected real numbers.")


# Structure: a point of any form, an array or nested containers of arrays, as one vector (p,) and back.
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
    def format(self) -> Format:
        """The narrowest format of the tensors: to its rounding the point is known."""
        return min((leaf.format for leaf in self.leaves), key=lambda form: form.bits)

    @cached_property
    def plain(self) -> Structure:
        """This structure with NumPy arrays in place of those of other libraries."""
        return Structure(self.tree, tuple(dataclasses.replace(leaf, native=None) for leaf in self.leaves))

    @cached_property
    def is_native(self) -> bool:
        """Whether arrays of other libraries are among its tensors."""
        return any(leaf.native is not None for leaf in self.leaves)

    @property
    def takes_complex(self) -> bool:
        """Whether its tensors can be moved along the imaginary axis: real ones of NumPy."""
        return not any(leaf.is_complex or leaf.native is not None for leaf in self.leaves)

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
        tensors = [leaf.build(views[leaf.name], dtype) for leaf in self.leaves]
        return self.assemble(tensors, lambda constant: constant.build(dtype))

    def assemble(self, tensors: list[Any], constant: Callable[[Constant], Any]) -> Any:
        """The containers around the tensors. constant: what stands in the place of a constant."""
        return mapped(lambda end: tensors[end] if isinstance(end, int) else constant(end), self.tree)

    def ends(self, point: Any) -> list[Any]:
        """The tensors of a point of this form, as they are in it."""
        found = dict(_ends(self.tree, point))
        return [found[number] for number in range(len(self.leaves))]

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """Where the entries of each part of the outermost container lie in the vector, by its key."""
        if not isinstance(self.tree, Parts):
            return {}
        none, parts = np.zeros(0, int), zip(self.tree.keys, self.tree.values, strict=True)
        every = {key: [self.places[self.leaves[k].name] for k in numbers_of(child)] for key, child in parts}
        return {key: np.concatenate([none, *places]) for key, places in every.items()}

    @cached_property
    def moving(self) -> tuple[Any, ...]:
        """The keys of the outermost container whose parts hold tensors."""
        return moving_keys(self.tree) if isinstance(self.tree, Parts) else ()

    def with_ends(self, point: Any, tensors: list[Any]) -> Any:
        """A point of this form with other tensors in it, and the parts that pass through untouched as they are."""
        constants = dict(ends_of(point))
        return self.assemble(tensors, lambda constant: constants[constant.name])

    def read(self, point: Any) -> Array:
        """The vector (p,) of a point of this form, complex where it is; raises `ValueError` for another form."""
        tensors = zip(self.leaves, self.ends(point), strict=True)
        arrays = {leaf.name: leaf.parts(to_numpy(end)) for leaf, end in tensors}
        return self.vector(arrays, np.result_type(self.dtype, *arrays.values()))

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The parts that pass through untouched, by name."""
        return {end.name: end.value for _, end in ends_of(self.tree) if isinstance(end, Constant)}

    def __str__(self) -> str:
        return some(self.names, 11, count=True)


Fixed = Callable[[str, Any], bool]
"""From the name and the value of a number to whether it is a constant, which is passed on untouched."""


def structure_of(
    point: Any,
    *,
    moved: Collection[str] = (),
    fixed: Fixed | None = None,
    root: str = "",
    what: str = "point",
) -> tuple[Structure, Array]:
    """The form of a point and its values as one vector (p,), of float64 or wider.

    A point that is a single array is called x, and `root` is what the names of its parts begin with. None, strings,
    truth values and whole numbers beside floating ones pass through untouched, but for the whole numbers called
    `moved`. Where all numbers are whole they count as float64. fixed: whether a number of some name passes through
    untouched, too; by default a PyTorch tensor that wants no gradient does where others want one.

    Raises `CheckError` where the point holds something else than that, NaN or infinity, or no number at all. what: is
    how the message calls it.
    """
    ends = _ends_by_name(point, root, what)
    kinds = {path: _kind(value, path, what) for path, value in ends.items()}
    has_floating = "floating" in kinds.values()
    if fixed is None:
        wanted = any(is_torch(value) and value.requires_grad for value in ends.values())
        fixed = _wants_no_gradient if wanted else nothing_fixed
    leaves: list[Leaf] = []
    arrays: list[Array] = []

    def tree(value: Any, path: str) -> Tree:
        parts = parts_of(value)
        if parts is not None:
            ways = [join(path, key, parts.named) for key in parts.keys]
            children = tuple(tree(part, way) for part, way in zip(parts.values, ways, strict=True))
            return parts._replace(values=children)
        path = path or "x"
        stays = kinds[path] == "constant" or (kinds[path] == "whole" and has_floating and path not in moved)
        if stays:
            return Constant(path, value)
        leaf, array = _leaf(value, path)
        if fixed(path, value):
            return Constant(path, value, leaf, array)
        leaves.append(leaf)
        arrays.append(array)
        return len(leaves) - 1

    structure = Structure(tree(point, root), tuple(leaves))
    if not leaves and structure.constants:
        first, value = next(iter(structure.constants.items()))
        raise CheckError(f"The {what} has {describe(value)} at {first}; expected an array or a number.")
    if structure.size == 0:
        raise CheckError(f"The {what} has no entries; expected at least one number.")
    for leaf, array in zip(leaves, arrays, strict=True):
        if not np.all(np.isfinite(array)):
            raise CheckError(f"The {what} has NaN or infinity in {leaf.name}; expected finite numbers.")
    return structure, structure.vector(dict(zip(structure.names, arrays, strict=True)))


def _ends_by_name(point: Any, root: str, what: str) -> dict[str, Any]:
    """What lies at the ends of a point, by name; raises `CheckError` where two of them have the same name."""
    pairs = [(path or "x", value) for path, value in ends_of(point, root)]
    paths = [path for path, _ in pairs]
    twice = next((path for path, count in Counter(paths).items() if count > 1), None)
    if twice is not None:
        raise CheckError(f"Two tensors of the {what} are called {twice}; expected names that differ.")
    return dict(pairs)


def _wants_no_gradient(path: str, value: Any) -> bool:
    return is_torch(value) and not value.requires_grad


def nothing_fixed(path: str, value: Any) -> bool:
    """No number passes through untouched."""
    return False


def numbers_of(tree: Tree) -> list[int]:
    """The numbers of the tensors in a tree."""
    return [end for _, end in ends_of(tree) if isinstance(end, int)]


def moving_keys(tree: Parts) -> tuple[Any, ...]:
    """The keys of the parts that hold tensors."""
    return tuple(key for key, child in zip(tree.keys, tree.values, strict=True) if numbers_of(child))


def _ends(tree: Tree, point: Any) -> Iterator[tuple[int, Any]]:
    """The numbers of the tensors in a tree, each with what a point of the same form has at its place."""
    if isinstance(tree, int):
        yield tree, point
    if isinstance(tree, Parts):
        parts = parts_of(point)
        if parts is None or set(parts.keys) != set(tree.keys):
            raise ValueError(f"{describe(point)} is no {tree.word} with {tree.keys}.")
        given = dict(zip(parts.keys, parts.values, strict=True))  # JAX sorts the keys of a dict
        for key, child in zip(tree.keys, tree.values, strict=True):
            yield from _ends(child, given[key])

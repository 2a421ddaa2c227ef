"""Trees: dicts, lists, tuples, dataclasses, pandas and JAX's registered classes, taken apart and put together."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.leaves import Leaf, copied_leaf, library
from backprop.parameters import Layout, Parameters


class Parts(NamedTuple):
    """A container taken apart.

    keys: the names or the places of its parts. values: its parts. together: the container of the same kind around
    other parts. named: whether its keys are names. word: what it is called in a message.
    """

    keys: tuple[Any, ...]
    values: tuple[Any, ...]
    together: Callable[[list[Any]], Any]
    named: bool
    word: str


@dataclass(frozen=True)
class Constant:
    """A part that passes through untouched: None, a string, a truth value, whole numbers, or a number that is fixed.

    leaf, array: of a number that is fixed, which takes the dtype of those that move where these are widened.
    """

    name: str
    value: Any
    leaf: Leaf | None = None
    array: Array | None = None

    def build(self, dtype: DType | None) -> Any:
        """The part, in memory of its own."""
        if dtype is None or self.leaf is None or self.array is None:
            return copied(self.value)
        return self.leaf.build(self.array, dtype)


Tree = Parts | Constant | int
"""Parts that are trees themselves, a constant, or the number of a tensor: what is known of the form of a point."""

_ENDS = frozenset((np.ndarray, np.float64, np.float32, float, int, bool, str, complex, type(None), Constant))


def parts_of(value: Any) -> Parts | None:
    """The parts of a container, or of a tree; None for what is none."""
    if type(value) in _ENDS:  # most values are these
        return None
    if isinstance(value, Parts):
        return value
    if isinstance(value, Parameters):
        return Parts(value.layout.names, tuple(value.values()), _parameters(value), True, "dict")
    if isinstance(value, Mapping):
        return Parts(tuple(value), tuple(value.values()), _mapping(value), True, "dict")
    kind = type(value)
    if isinstance(value, list | tuple):
        if hasattr(kind, "_fields"):
            return Parts(kind._fields, tuple(value), lambda parts: kind(*parts), True, kind.__name__)
        word = "tuple" if isinstance(value, tuple) else "list"
        return Parts(tuple(range(len(value))), tuple(value), kind, False, word)
    return _pandas(value) or _jax_tree(value) or _dataclass(value)


def _parameters(value: Parameters) -> Callable[[list[Any]], Any]:
    names = value.layout.names

    def together(parts: list[Any]) -> Parameters:
        tensors = [np.asarray(part) for part in parts]
        layout = Layout(tuple((name, each.shape) for name, each in zip(names, tensors, strict=True)))
        return Parameters(layout, np.concatenate([each.ravel() for each in tensors]))

    return together


def _mapping(value: Mapping[Any, Any]) -> Callable[[list[Any]], Any]:
    kind, keys = type(value), tuple(value)

    def together(parts: list[Any]) -> Any:
        """A mapping of the same kind; a plain dict where its kind cannot be made of pairs."""
        pairs = list(zip(keys, parts, strict=True))
        try:
            return kind(pairs)  # type: ignore[call-arg]
        except TypeError:
            return dict(pairs)

    return together


def _pandas(value: Any) -> Parts | None:
    """A table by its columns, and a Series whose labels are words by its labels; others are arrays."""
    pandas = library("pandas")
    if pandas is None or not isinstance(value, pandas.Series | pandas.DataFrame):
        return None
    kind, keys, index = type(value), tuple(value.keys()), value.index
    if isinstance(value, pandas.DataFrame):
        columns = tuple(value[key] for key in keys)

        def table(parts: list[Any]) -> Any:
            return kind(dict(zip(keys, parts, strict=True)), index=index)

        return Parts(keys, columns, table, True, "DataFrame")
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        return None
    name = value.name
    return Parts(keys, tuple(value.array), lambda parts: kind(parts, index=index, name=name), True, "Series")


def _jax_tree(value: Any) -> Parts | None:
    """A class that is registered with JAX as a container, one level of it."""
    jax = library("jax")
    tree = getattr(jax, "tree_util", None)
    if tree is None or value is None or isinstance(value, np.ndarray | np.generic | str | int | float):
        return None
    if tree.all_leaves([value]):
        return None
    paths, form = tree.tree_flatten_with_path(value, is_leaf=lambda part: part is not value)
    keys = [
        getattr(path[0], "name", getattr(path[0], "idx", getattr(path[0], "key", k)))
        for k, (path, _) in enumerate(paths)
    ]
    return Parts(
        tuple(keys),
        tuple(part for _, part in paths),
        lambda parts: tree.tree_unflatten(form, parts),
        all(isinstance(key, str) for key in keys),
        type(value).__name__,
    )


def _dataclass(value: Any) -> Parts | None:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
    names = tuple(field.name for field in dataclasses.fields(value))

    def together(parts: list[Any]) -> Any:
        made = copy.copy(value)
        for name, part in zip(names, parts, strict=True):
            object.__setattr__(made, name, part)  # the class may be frozen
        return made

    return Parts(names, tuple(getattr(value, name) for name in names), together, True, type(value).__name__)


def join(path: str, key: Any, named: bool) -> str:
    """The name of what lies at `key` of the container called `path`."""
    if named and isinstance(key, str):
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"


def copied(value: Any) -> Any:
    """Copy the arrays and the containers around them; copy anything else as deeply as possible."""
    return mapped(copied_leaf, value)


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A tree of the same containers, with what lies at its ends changed."""
    parts = parts_of(value)
    return change(value) if parts is None else parts.together([mapped(change, part) for part in parts.values])


def ends_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever lies at the ends of a tree, with its name; "" for a lone value."""
    parts = parts_of(value)
    if parts is None:
        yield path, value
        return
    for key, part in zip(parts.keys, parts.values, strict=True):
        yield from ends_of(part, join(path, key, parts.named))

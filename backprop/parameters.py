"""Parameters: every weight and bias of a network in ONE contiguous vector (p,), with a named view per tensor.

The vector is what an optimiser, a finite difference or a norm works on; the views are what a layer
works on. They share their memory, so writing to one is writing to the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from backprop.arrays import Array, DType, aligned_empty, aligned_zeros
from backprop.errors import DtypeError, ShapeError, UnknownNameError


@dataclass(frozen=True)
class Layout:
    """Where each named tensor lies in the vector: names and shapes, in order."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @cached_property
    def size(self) -> int:
        """p, the number of all parameters."""
        return sum(math.prod(shape) for _, shape in self.shapes)

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names in the order in which they lie in the vector."""
        return tuple(name for name, _ in self.shapes)

    def views(self, vector: Array) -> dict[str, Array]:
        """The named tensors as views of `vector` (p,)."""
        views, start = {}, 0
        for name, shape in self.shapes:
            stop = start + math.prod(shape)
            views[name] = vector[start:stop].reshape(shape)
            start = stop
        return views

    def locate(self, flat_index: int) -> tuple[str, tuple[int, ...]]:
        """The tensor's name and the index in it of element `flat_index` of the vector."""
        rest = flat_index if flat_index >= 0 else self.size
        for name, shape in self.shapes:
            if rest < math.prod(shape):
                return name, tuple(int(k) for k in np.unravel_index(rest, shape))
            rest -= math.prod(shape)
        raise ShapeError(f"The parameter index is {flat_index}; expected 0 to {self.size - 1}.")


class Parameters(Mapping[str, Array]):
    """A vector (p,) of weights or of their gradient, and its tensors by name.

    `params["W1"]` is a view (i, o) of `params.vector` (p,). A gradient has the same form as the
    parameters it belongs to.
    """

    __slots__ = ("_views", "layout", "vector")

    def __init__(self, layout: Layout, vector: Array) -> None:
        """Wrap `vector` (p,), which is not copied; raises `ShapeError` where its size is not p."""
        if vector.shape != (layout.size,):
            raise ShapeError(f"The parameter vector has shape {vector.shape}; expected ({layout.size},).")
        self.layout = layout
        self.vector = vector
        self._views = layout.views(vector)

    @classmethod
    def empty(cls, layout: Layout, dtype: DTypeLike) -> Parameters:
        """Uninitialised parameters on a 64-byte boundary."""
        return cls(layout, aligned_empty((layout.size,), dtype))

    @classmethod
    def zeros(cls, layout: Layout, dtype: DTypeLike) -> Parameters:
        """Parameters that are all zero, on a 64-byte boundary."""
        return cls(layout, aligned_zeros((layout.size,), dtype))

    @classmethod
    def from_mapping(cls, layout: Layout, tensors: Mapping[str, Any], dtype: DTypeLike) -> Parameters:
        """Copy named tensors into one vector.

        Raises `UnknownNameError` for a name that is missing or unknown and `ShapeError` for a shape
        that does not fit.
        """
        for name in tensors:
            if name not in layout.names:
                raise UnknownNameError("parameter", name, layout.names)
        parameters = cls.empty(layout, dtype)
        for name, shape in layout.shapes:
            if name not in tensors:
                raise ShapeError(f"The parameter {name} is missing; expected {', '.join(layout.names)}.")
            tensor = np.asarray(tensors[name])
            if tensor.shape != shape:
                raise ShapeError(f"The parameter {name} has shape {tensor.shape}; expected {shape}.")
            parameters[name][...] = tensor
        return parameters

    @classmethod
    def of(cls, layout: Layout, params: Any) -> Any:
        """Named tensors as parameters, in the dtype that they share; anything else as it is.

        Raises the errors of `from_mapping`, and `DtypeError` for two dtypes.
        """
        if not isinstance(params, Mapping) or isinstance(params, cls):
            return params
        dtypes = list(dict.fromkeys(np.asarray(tensor).dtype for tensor in params.values()))
        if len(dtypes) > 1:
            raise DtypeError(f"The parameters are of {' and '.join(map(str, dtypes))}; expected one dtype.")
        return cls.from_mapping(layout, params, dtypes[0] if dtypes else np.float64)

    def read_only(self) -> Parameters:
        """The same memory, in which this view cannot write."""
        view = self.vector.view()
        view.flags.writeable = False
        return Parameters(self.layout, view)

    @property
    def dtype(self) -> DType:
        """The vector's dtype."""
        return self.vector.dtype

    def copy(self) -> Parameters:
        """The same values in memory of their own."""
        return self.astype(self.dtype)

    def astype(self, dtype: DTypeLike) -> Parameters:
        """The same values, copied to another dtype."""
        copied = Parameters.empty(self.layout, dtype)
        copied.vector[...] = self.vector
        return copied

    def __getitem__(self, name: str) -> Array:
        try:
            return self._views[name]
        except KeyError:
            raise UnknownNameError("parameter", name, self._views) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        tensors = ", ".join(f"{name} {shape}" for name, shape in self.layout.shapes)
        return f"Parameters({tensors}; {self.dtype.name}, p = {self.layout.size})"

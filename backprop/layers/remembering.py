"""Layers whose VJP needs more than x and y: what forward has found lies in a memory, which the way back is handed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar, final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers.base import Layer, Tensors

MemoryT = TypeVar("MemoryT")


def buffer(like: Array, *shape: int) -> Array:
    """An array of the kind and dtype of `like`; one of numbers begins on a cache line."""
    return aligned_empty(shape, like.dtype) if type(like) is np.ndarray else np.empty_like(like, shape=shape)


class Remembering(Layer, Generic[MemoryT]):
    """A layer whose `vjp` needs more than x and y: what `run` has found lies in a memory that `back` is handed.

    `vjp` by itself runs forward once more; a plan keeps the memory between the two.
    """

    complex_safe: ClassVar[bool] = True

    @abstractmethod
    def memory(self, n: int, like: Array) -> MemoryT:
        """Buffers for n samples, of the kind and dtype of `like`."""

    @abstractmethod
    def memory_numbers(self, n: int) -> int:
        """How many numbers these buffers hold."""

    @abstractmethod
    def call_numbers(self, n: int, *, forward: bool) -> int:
        """The most numbers that `run`, or `back`, has allocated at once, given all its buffers."""

    @abstractmethod
    def run(self, params: Tensors, x: Array, memory: MemoryT, out: Array) -> Array:
        """`forward`, which fills the memory."""

    @abstractmethod
    def back(
        self,
        params: Tensors,
        memory: MemoryT,
        dy: Array,
        dx: Array | None,
        dparams: Tensors,
    ) -> None:
        """`vjp` into `dx`, unless that is None, and `dparams`, of the batch that `run` was handed."""

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """y (n, o)."""
        if out is None:
            out = np.empty_like(x, shape=(len(x), self.output_width(x.shape[1])), order="C")
        return self.run(params, x, self.memory(len(x), x), out)

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool = True,
        out: Array | None = None,
        dparams: Tensors | None = None,
    ) -> tuple[Array | None, Tensors]:
        """Forward once more, then `back`."""
        memory = self.memory(len(x), x)
        self.run(params, x, memory, np.empty_like(y, order="C"))
        dparams = self._gradients(x, dparams)
        if input_needed and out is None:
            out = np.empty_like(x, shape=x.shape, order="C")
        dx = out if input_needed else None
        self.back(params, memory, dy, dx, dparams)
        return dx, dparams

    def planned(self, n: int, dtype: DType) -> Remembered:
        """The layer with its memory."""
        return Remembered(self, self.memory(n, np.empty(0, dtype)))

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """The memory."""
        return itemsize * self.memory_numbers(n)

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """What `run` and `back` allocate."""
        forward, back = (itemsize * self.call_numbers(n, forward=forward) for forward in (True, False))
        return forward, back

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The memory, what `run` allocates, and y."""
        numbers = self.memory_numbers(n) + self.call_numbers(n, forward=True)
        return itemsize * (numbers + (0 if out else n * o))

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The memory, y once more or what `back` allocates, and dx."""
        forward, back = (self.call_numbers(n, forward=forward) for forward in (True, False))
        return itemsize * (self.memory_numbers(n) + max(forward + n * o, back + (0 if out else n * i)))


@final
class Remembered:
    """A layer for batches of one size that keeps what `forward` found for `vjp`."""

    def __init__(self, layer: Remembering[Any], memory: Any) -> None:
        self._layer, self._memory = layer, memory

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """y (n, o)."""
        return self._layer.run(params, x, self._memory, out)

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool = True,
        out: Array | None = None,
        dparams: Tensors | None = None,
    ) -> tuple[Array | None, Tensors]:
        """∂L/∂x and ∂L/∂θ of the batch of the last `forward`."""
        dx = out if input_needed else None
        assert dparams is not None  # a plan has buffers for all
        self._layer.back(params, self._memory, dy, dx, dparams)
        return dx, dparams

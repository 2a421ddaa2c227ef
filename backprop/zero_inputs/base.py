"""What both ways of leaving zero inputs out share: the gradient, a block of rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors

_SMALL_PRODUCT = 10**6
"""OpenBLAS multiplies matrices without packing them first where no more products than this are summed."""

_COLUMNS = 64
"""Fewer are multiplied below the processor's speed."""


class ZeroInputs(ABC):
    """Buffers for a batch of n, and what the last call has put into the gradient.

    `gradient` (i, o) is dL/dW: from call to call only those of its rows are cleared that were filled before.

    The samples of a batch may be taken in another order: their outputs and labels then follow it.
    """

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array, *, rows: int) -> None:
        self._layer = layer
        self._gradient = gradient
        self._inputs = aligned_empty((n * layer.inputs,), dtype)
        self._rows = aligned_empty((rows, layer.outputs), dtype)  # of W going forward, of dL/dW back
        self._filled = np.zeros(layer.inputs, np.bool_)
        self._active: Array | None = None
        self._order: Array | None = None
        self._x = self._inputs

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """z (n, o) of a batch x (n, i), in the order taken; finds out what is active and if leaving out pays."""
        self._active = self._arrange(x)
        if self._active is None:
            return self._layer.forward(params, x, out=out)
        self._multiply(params, self._active, out)
        return out

    def ordered(self, labels: Array) -> Array:
        """The labels in the order in which the last `forward` took the samples."""
        return labels if self._order is None else labels[self._order]

    def vjp(self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors) -> None:
        """dL/dW into the gradient and dL/db into `dparams["b"]`, for the batch of the last `forward`."""
        if self._active is None:
            self._layer.vjp(params, x, y, dy, input_needed=False, dparams=dparams)
            self._filled.fill(True)
            return
        self._filled[self._active] = False
        self._gradient[self._filled] = 0
        self._filled.fill(False)
        self._filled[self._active] = True
        for block in self._blocks(len(self._active)):
            chosen, start = self._active[block], self._first_sample(block)
            rows = self._rows[: len(chosen)]
            self._weight_gradient(self._x[start:, block], dy[start:], rows)
            self._gradient[chosen] = rows
        self._layer.bias_gradient(dy, out=dparams["b"])

    def _weight_gradient(self, x: Array, dy: Array, out: Array) -> None:
        """dW = xᵀ dy, for a small product some columns of dy at a time."""
        columns = x.size * _COLUMNS
        if columns <= _SMALL_PRODUCT < x.size * dy.shape[1] and dy.shape[1] % _COLUMNS == 0:
            np.matmul(x.T, _by_columns(dy), out=_by_columns(out))
        else:
            self._layer.weight_gradient(x, dy, out=out)

    @abstractmethod
    def _arrange(self, x: Array) -> Array | None:
        """The active inputs, gathered into `_x`; None where leaving the others out does not pay."""

    @abstractmethod
    def _multiply(self, params: Tensors, active: Array, out: Array) -> None:
        """The product of `_x` with the rows of W that belong to it, and the bias."""

    @abstractmethod
    def _blocks(self, count: int) -> Iterator[slice]:
        """The active inputs in blocks that are about equally long, none longer than `_rows`."""

    @abstractmethod
    def _first_sample(self, block: slice) -> int:
        """The first sample of `_x` with an input of the block that is not zero."""

    def _gather(self, samples: int, active: int) -> Array:
        """Where the active inputs of as many samples are gathered."""
        self._x = self._inputs[: samples * active].reshape(samples, active)
        return self._x


def _by_columns(array: Array) -> Array:
    """A view (o / columns, rows, columns) of a contiguous array (rows, o)."""
    return array.reshape(len(array), -1, _COLUMNS).swapaxes(0, 1)


def even_blocks(count: int, longest: int) -> Iterator[slice]:
    """`count` things in the fewest blocks of at most `longest`."""
    blocks = -(-count // longest)
    for k in range(blocks):
        yield slice(k * count // blocks, (k + 1) * count // blocks)

"""The inputs that are used often: their rows of W are gathered, multiplied, and their gradient put where it belongs.

A block of rows at a time, so that it is still in the cache when it is multiplied or scattered. The bias is
taken as one row more, of an input that is one in every sample: adding it, and summing its gradient over the
samples, would each read the outputs once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors

_BLOCK_BYTES = 2**19
"""A block of rows and what BLAS packs of it fit a second-level cache of 1 MB and more."""

_SMALL_PRODUCT = 10**6
"""OpenBLAS multiplies matrices without packing them first where no more products than this are summed."""

_COLUMNS = 64
"""Fewer are multiplied below the processor's speed."""


def block_rows(n: int, layer: Linear, itemsize: int) -> int:
    """The rows of a block: of a large batch more, since every further block costs a sum over its outputs."""
    fitting = _BLOCK_BYTES // (layer.outputs * itemsize)
    return min(layer.inputs + 1, max(fitting, 2 * n, 1))


def buffer_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The inputs of a batch with the ones of the bias, a block, and its part of z."""
    rows = block_rows(n, layer, itemsize)
    part = n * layer.outputs if rows <= layer.inputs else 0
    return (n * (layer.inputs + 1) + rows * layer.outputs + part) * itemsize


@final
class Gathered:
    """Buffers for the inputs of a batch of n that are chosen for a call, and for a block of their rows."""

    def __init__(self, n: int, layer: Linear, dtype: DType) -> None:
        rows = block_rows(n, layer, dtype.itemsize)
        self._layer = layer
        self._inputs = aligned_empty((n * (layer.inputs + 1),), dtype)
        self._rows = aligned_empty((rows, layer.outputs), dtype)  # of W going forward, of dL/dW back
        self._part = aligned_empty((n, layer.outputs), dtype) if rows <= layer.inputs else None
        self._with_bias = np.ones(layer.inputs + 1, np.bool_)

    def take(self, x: Array, chosen: Array) -> None:
        """The inputs of x (n, i) that `chosen` (i,) tells, for the calls that follow."""
        self._with_bias[:-1] = chosen
        self._chosen = np.flatnonzero(self._with_bias)
        n, count = len(x), len(self._chosen)
        self._x = self._inputs[: n * count].reshape(n, count)
        # With clip the number of the bias, which is one too large, takes any input; in other modes `out` is buffered.
        np.take(x, self._chosen, axis=1, out=self._x, mode="clip")
        self._x[:, -1] = 1

    def forward(self, params: Tensors, *, out: Array) -> None:
        """z (n, o) of the inputs taken, and the bias."""
        for block in self._blocks():
            rows = self._rows[: block.stop - block.start]
            np.take(params["W"], self._chosen[block], axis=0, out=rows, mode="clip")
            if block.stop == len(self._chosen):
                rows[-1] = params["b"]
            if block.start == 0:
                np.matmul(self._x[:, block], rows, out=out)
            else:
                assert self._part is not None
                np.add(out, np.matmul(self._x[:, block], rows, out=self._part), out=out)

    def gradient(self, dy: Array, *, weights: Array, bias: Array) -> None:
        """The rows of dL/dW of the inputs taken, and dL/db."""
        for block in self._blocks():
            chosen = self._chosen[block]
            rows = self._rows[: len(chosen)]
            self._weight_gradient(self._x[:, block], dy, rows)
            if block.stop == len(self._chosen):
                bias[...] = rows[-1]
                chosen, rows = chosen[:-1], rows[:-1]
            weights[chosen] = rows

    def _weight_gradient(self, x: Array, dy: Array, out: Array) -> None:
        """dW = xᵀ dy, for a small product some columns of dy at a time."""
        columns = x.size * _COLUMNS
        if columns <= _SMALL_PRODUCT < x.size * dy.shape[1] and dy.shape[1] % _COLUMNS == 0:
            np.matmul(x.T, _by_columns(dy), out=_by_columns(out))
        else:
            self._layer.weight_gradient(x, dy, out=out)

    def _blocks(self) -> Iterator[slice]:
        """The rows in the fewest blocks that fit, about equally long."""
        count = len(self._chosen)
        blocks = -(-count // len(self._rows))
        for k in range(blocks):
            yield slice(k * count // blocks, (k + 1) * count // blocks)


def _by_columns(array: Array) -> Array:
    """A view (o / columns, rows, columns) of a contiguous array (rows, o)."""
    return array.reshape(len(array), -1, _COLUMNS).swapaxes(0, 1)

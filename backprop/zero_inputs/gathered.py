"""The inputs that a batch uses often: their rows of W are gathered and multiplied as one matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from backprop import small_products
from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors

BLOCK_BYTES = 2**19
"""A block of rows, and what BLAS packs of it, fit into a second-level cache of 1 MB."""


def block_rows(layer: Linear, n: int, itemsize: int) -> int:
    """The rows of a block; a large batch has longer blocks, since every block costs a sum over the outputs."""
    fitting = max(BLOCK_BYTES // (layer.outputs * itemsize), 2 * n, 1)
    return min(layer.inputs + 1, fitting, small_products.tile_rows(layer, n) or fitting)


@final
class Gathered:
    """The inputs used often: their rows of W are gathered and multiplied, and their gradient is scattered.

    One block of rows is gathered at a time, so that it is still in the cache when it is multiplied or scattered. The
    bias is one row more, of an input that is one in every sample: adding the bias, and summing its gradient over the
    samples, would each read the outputs once more.
    """

    def __init__(self, layer: Linear, n: int, dtype: DType) -> None:
        rows = block_rows(layer, n, dtype.itemsize)
        self._layer = layer
        self._in_tiles = small_products.tile_rows(layer, n) is not None
        self._inputs = aligned_empty((n * (layer.inputs + 1),), dtype)
        self._rows = aligned_empty((rows, layer.outputs), dtype)  # of W going forward, of dL/dW back
        self._part = aligned_empty((n, layer.outputs), dtype) if rows <= layer.inputs else None
        self._with_bias = np.ones(layer.inputs + 1, np.bool_)

    def select(self, x: Array, mask: Array) -> None:
        """Select the inputs of x (n, i) where `mask` (i,) holds, for the calls that follow."""
        self._with_bias[:-1] = mask
        self._chosen = np.flatnonzero(self._with_bias)
        n, count = len(x), len(self._chosen)
        self._x = self._inputs[: n * count].reshape(n, count)
        # With clip the number of the bias, which is one too large, takes any input; in other modes `out` is buffered.
        np.take(x, self._chosen, axis=1, out=self._x, mode="clip")
        self._x[:, -1] = 1

    def forward(self, params: Tensors, *, out: Array) -> None:
        """z (n, o) of the selected inputs and the bias."""
        for block in self._blocks():
            rows = self._rows[: block.stop - block.start]
            np.take(params["W"], self._chosen[block], axis=0, out=rows, mode="clip")
            if block.stop == len(self._chosen):
                rows[-1] = params["b"]
            if block.start == 0:
                self._multiply(self._x[:, block], rows, out=out)
            else:
                assert self._part is not None
                self._multiply(self._x[:, block], rows, out=self._part)
                np.add(out, self._part, out=out)

    def gradient(self, dy: Array, *, weights: Array, bias: Array) -> None:
        """The rows of dL/dW of the selected inputs, and dL/db."""
        for block in self._blocks():
            chosen = self._chosen[block]
            rows = self._rows[: len(chosen)]
            if self._in_tiles:
                self._multiply(self._x[:, block].T, dy, out=rows)
            else:
                self._layer.weight_gradient(self._x[:, block], dy, out=rows)
            if block.stop == len(self._chosen):
                bias[...] = rows[-1]
                chosen, rows = chosen[:-1], rows[:-1]
            weights[chosen] = rows

    def _multiply(self, left: Array, right: Array, *, out: Array) -> None:
        if self._in_tiles:
            small_products.multiply_in_tiles(left, right, out=out)
        else:
            np.matmul(left, right, out=out)

    def _blocks(self) -> Iterator[slice]:
        return small_products.blocks(len(self._chosen), len(self._rows))

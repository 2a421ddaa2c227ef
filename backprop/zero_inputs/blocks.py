"""Inputs that are zero in every sample are left out of both products, exactly.

The rows of W of the others are gathered, multiplied, and their gradient is put where it belongs, a block of
rows at a time, so that a block is still in the cache when it is multiplied or scattered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors
from backprop.zero_inputs.base import ZeroInputs, even_blocks

_BLOCK_BYTES = 2**19
"""A block of rows and what BLAS packs of it fit a second-level cache of 1 MB and more."""


def most_active(n: int, inputs: int) -> int:
    """The number of active inputs up to which gathering pays.

    Gathering a row costs about as much as multiplying it with 16 samples, and of small batches never more
    than half of all rows: there both products are bound by reading and writing W.
    """
    return int(inputs * max(0.55, n / (n + 16)))


def block_rows(n: int, layer: Linear, itemsize: int) -> int:
    """The rows of a block: of a large batch more, since every further block costs a sum over its outputs."""
    fitting = _BLOCK_BYTES // (layer.outputs * itemsize)
    return min(layer.inputs, max(fitting, 2 * n, 1))


def buffer_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The buffers of a plan: the active inputs of a batch, a block, and its part of z."""
    rows = block_rows(n, layer, itemsize)
    part = n * layer.outputs if rows < layer.inputs else 0
    return (n * layer.inputs + rows * layer.outputs + part) * itemsize


@final
class Blocks(ZeroInputs):
    """Samples as they come, without the inputs that none of them has."""

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array) -> None:
        rows = block_rows(n, layer, dtype.itemsize)
        super().__init__(n, layer, dtype, gradient, rows=rows)
        self._part = aligned_empty((n, layer.outputs), dtype) if rows < layer.inputs else None
        self._bits = np.dtype(f"u{dtype.itemsize}")
        self._most_active = most_active(n, layer.inputs)

    def _arrange(self, x: Array) -> Array | None:
        # A float is zero where all its bits are; the or of integers runs at the speed of memory. (-0.0 counts
        # as active, which costs a row and changes nothing.)
        active = np.flatnonzero(np.bitwise_or.reduce(x.view(self._bits), axis=0))
        if len(active) > self._most_active:
            return None
        # In any other mode than clip `out` is buffered.
        np.take(x, active, axis=1, out=self._gather(len(x), len(active)), mode="clip")
        return active

    def _multiply(self, params: Tensors, active: Array, out: Array) -> None:
        if len(active) == 0:
            out.fill(0)
        for block in self._blocks(len(active)):
            chosen = active[block]
            rows = self._rows[: len(chosen)]
            np.take(params["W"], chosen, axis=0, out=rows, mode="clip")
            if block.start == 0:
                np.matmul(self._x[:, block], rows, out=out)
            else:
                assert self._part is not None
                np.add(out, np.matmul(self._x[:, block], rows, out=self._part), out=out)
        np.add(out, params["b"], out=out)

    def _blocks(self, count: int) -> Iterator[slice]:
        return even_blocks(count, len(self._rows))

    def _first_sample(self, block: slice) -> int:
        return 0

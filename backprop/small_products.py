"""A linear layer for small batches, some rows of W at a time, so that OpenBLAS multiplies them without packing.

    y = Σ_blocks x[:,block] W[block] + b        dW[block] = x[:,block]ᵀ dy

Before OpenBLAS multiplies, it copies both matrices into packed blocks; of a batch of 8 that takes longer than the
product itself. For processors with AVX-512 it has kernels that multiply matrices as they lie in memory, and uses them
where at most a million products are summed. In blocks of so many rows both products of a batch of 8 to 32 take 0.6 to
0.9 of the time of the whole ones, in float32 and float64. Rows that are gathered lie together: of those larger blocks
are multiplied, in tiles of 64 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard, final

import numpy as np

from backprop import blas
from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Layer, Linear, Tensors
from backprop.layers.base import Planned

_LARGEST_PRODUCT = 10**6
"""The most products that OpenBLAS sums without packing (`sgemm_small_kernel_permit_skylakex.c`)."""

_LARGEST_BATCH, _LARGEST_TILED_BATCH = 64, 128
"""In a larger batch every packed number is multiplied often enough. Tiles need fewer sums than whole rows."""

_BLOCK_BYTES = 3 * 2**16
"""48 pages of memory: the kernels go down the rows of a block again and again, and a processor keeps the addresses of
64 pages or more at hand. Blocks of 80 pages took twice the time of blocks of 56."""

_FEWEST_ROWS = 40
"""Fewer rows take longer to begin than they save."""

_COLUMNS = 64
"""Fewer columns are multiplied below the processor's speed."""

LARGEST_THREADED_BATCH = 8
"""Blocks are multiplied by one thread: beyond this batch several threads multiply all rows in less time."""


def in_blocks(layer: Layer, n: int, dtype: DType) -> Planned:
    """The layer for batches of n; as it plans itself where blocks take no less time."""
    return SmallProducts(layer, n, dtype) if _can_pay(layer, n, dtype.itemsize) else layer.planned(n, dtype)


def buffer_bytes(layer: Layer, n: int, itemsize: int) -> int:
    """The bytes of what `in_blocks` allocates, with the threads that BLAS has now."""
    return n * layer.outputs * itemsize if _can_pay(layer, n, itemsize) else 0


def unpacked_rows(layer: Linear, n: int) -> int | None:
    """The most rows of W that are multiplied without packing for a batch of n; None where that does not pay."""
    rows = _LARGEST_PRODUCT // (n * layer.outputs)
    return rows if rows >= _FEWEST_ROWS and _is_small(n, _LARGEST_BATCH) else None


def _can_pay(layer: Layer, n: int, itemsize: int) -> TypeGuard[Linear]:
    if not isinstance(layer, Linear) or _block_rows(layer, n, itemsize) < _FEWEST_ROWS:
        return False
    return (unpacked_rows(layer, n) or layer.inputs) < layer.inputs


def _block_rows(layer: Linear, n: int, itemsize: int) -> int:
    return min(unpacked_rows(layer, n) or layer.inputs, _BLOCK_BYTES // (layer.outputs * itemsize))


def tile_rows(layer: Linear, n: int) -> int | None:
    """The most rows that `multiply_in_tiles` leaves unpacked for a batch of n; None where that does not pay."""
    pays = layer.outputs % _COLUMNS == 0 and _is_small(n, _LARGEST_TILED_BATCH)
    return _LARGEST_PRODUCT // (n * _COLUMNS) if pays else None


def _is_small(n: int, largest: int) -> bool:
    """Whether the products of a batch of n are packed at a cost, and need not be."""
    if blas.threads() > 1:
        largest = LARGEST_THREADED_BATCH
    return 1 < n <= largest and blas.leaves_small_products_unpacked()


def multiply_in_tiles(left: Array, right: Array, *, out: Array) -> None:
    """left right into `out`; what OpenBLAS would pack, some columns of the contiguous `right` and `out` at a time."""
    if left.size * right.shape[1] > _LARGEST_PRODUCT:
        right, out = (one.reshape(len(one), -1, _COLUMNS).swapaxes(0, 1) for one in (right, out))
    np.matmul(left, right, out=out)


def blocks(count: int, rows: int) -> Iterator[slice]:
    """`count` rows in the fewest blocks of at most `rows`, about equally long."""
    number = -(-count // rows)
    for k in range(number):
        yield slice(k * count // number, (k + 1) * count // number)


@final
class SmallProducts:
    """A linear layer for batches of n, with the `forward` and the `vjp` of a layer. It keeps a buffer."""

    def __init__(self, layer: Linear, n: int, dtype: DType) -> None:
        self._layer = layer
        self._blocks = list(blocks(layer.inputs, _block_rows(layer, n, dtype.itemsize)))
        self._part = aligned_empty((n, layer.outputs), dtype)

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """x W + b."""
        first, *others = self._blocks
        np.matmul(x[:, first], params["W"][first], out=out)
        for block in others:
            np.add(out, np.matmul(x[:, block], params["W"][block], out=self._part), out=out)
        return np.add(out, params["b"], out=out) if self._layer.bias else out

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool,
        out: Array,
        dparams: Tensors,
    ) -> tuple[Array | None, Tensors]:
        """dx = dy Wᵀ, dW = xᵀ dy, db = Σₙ dy."""
        for block in self._blocks:
            np.matmul(x[:, block].T, dy, out=dparams["W"][block])
        if self._layer.bias:
            self._layer.bias_gradient(dy, out=dparams["b"])
        return (np.matmul(dy, params["W"].T, out=out) if input_needed else None), dparams

"""The first linear layer without its inputs that are zero, where that pays.

    x[n,i] = 0   ⇒   row i of W adds nothing to z[n,:], and sample n nothing to dL/dW[i,:]

In a batch of 32 digits, two pixels in five are zero in every sample. In a batch of 512, a third of the other pixels
are zero in all but a few samples. A batch uses an input

    often     by so many samples that its row of W is gathered, and all such rows are multiplied as one matrix
    rarely    by so few that every x[n,i] that is not zero is multiplied with row i of W by itself
    never     it is left out, and its row of dL/dW is zero

One thread gathers. Beside several of them a batch has to be large for it to pay; below that `used_range` is taken,
which leaves out less and gathers nothing. Only zeros are left out: which inputs count as rare changes the time, and
no result. The limits below are sizes of caches, or ratios of the costs of two ways, measured on digits with OpenBLAS.
"""

from __future__ import annotations

from typing import TypeGuard, final

import numpy as np

from backprop import blas, small_products
from backprop.arrays import Array, DType
from backprop.layers import Layer, Linear, Tensors
from backprop.layers.base import Planned
from backprop.zero_inputs.entries import Entries, samples_at_a_time
from backprop.zero_inputs.gathered import Gathered, block_rows
from backprop.zero_inputs.used_range import UsedRange

_CACHE = 2**20
"""Bytes of a second-level cache."""

_SMALLEST_WEIGHTS = 3 * _CACHE // 4
"""Bytes of W below which it stays in the cache, so that the whole product takes less time than gathering rows."""

_SHORTEST_ROW = 2**10
"""Bytes of a row of W below which gathering it takes longer than multiplying it."""

_GATHERED_SAMPLES = 16
"""Gathering a row takes as long as multiplying the row with this many samples."""

_GATHERED_SHARE = 0.55
"""The largest share of rows that is gathered for a small batch, whose products are bound by reading and writing W."""

_RARELY = 1 / 12
"""The share of samples up to which an input is used rarely.

Adding a row of W by itself takes as long as adding a dozen within a matrix product, in float32 and float64.
"""

_MOST_COUNTED = 255
"""The most samples in which uses are counted: a byte holds the count."""

_DIGITS_FOUND, _DIGITS_INPUTS = 0.007, 0.25
"""Of a batch of digits: the share of all pixels that are not zero and rarely used, and of inputs used rarely."""


_THREADED_BYTES = 2**12
"""Bytes of one input in all samples, from which on several threads take longer to multiply a row of W than one thread
takes to gather it."""


def smallest_batch_of_entries(itemsize: int) -> int:
    """The batch from which on finding the inputs that are used rarely takes less time than it saves.

    Products of float32 take half the time of those of float64, and save less when they are left out.
    """
    return 160 if itemsize == 4 else 128


def without_zeros(layer: Layer, n: int, dtype: DType) -> Planned:
    """The layer for batches of n; the layer itself if leaving out inputs cannot pay."""
    if _can_pay(layer, n, dtype.itemsize):
        return ZeroInputs(layer, n, dtype)
    if _is_large(layer, dtype.itemsize) and n * layer.inputs * dtype.itemsize <= _CACHE:
        # Looking at the inputs of a larger batch takes as long as multiplying the zeros.
        return UsedRange(layer)
    return small_products.in_blocks(layer, n, dtype)


def buffer_bytes(layer: Layer, n: int, itemsize: int) -> int:
    """The bytes of what `without_zeros` allocates beside the whole layer, with the threads that BLAS has now."""
    if not _can_pay(layer, n, itemsize):
        return 0
    rows = block_rows(layer, n, itemsize)
    part = n * layer.outputs if rows <= layer.inputs else 0
    return n * layer.inputs + (n * (layer.inputs + 1) + rows * layer.outputs + part) * itemsize


def transient_bytes(layer: Layer, n: int, itemsize: int) -> int:
    """The most bytes that a call allocates at once beside the buffers, of a batch of digits.

    That is a part of z or of dL/dW, whichever is larger, and number and place of every entry.
    """
    if n < smallest_batch_of_entries(itemsize) or not _can_pay(layer, n, itemsize):
        return 0
    part = max(min(n, samples_at_a_time(layer, itemsize)), int(_DIGITS_INPUTS * layer.inputs)) * layer.outputs
    return part * itemsize + int(_DIGITS_FOUND * n * layer.inputs) * (4 + itemsize)


def _can_pay(layer: Planned, n: int, itemsize: int) -> TypeGuard[Linear]:
    """Whether gathering can pay."""
    small, large = n <= small_products.LARGEST_THREADED_BATCH, n * itemsize >= _THREADED_BYTES
    gathers = small or large or blas.threads() == 1
    # The bias is one more row that is gathered.
    return gathers and _is_large(layer, itemsize) and layer.bias


def _is_large(layer: Planned, itemsize: int) -> TypeGuard[Linear]:
    if not isinstance(layer, Linear):
        return False
    row = layer.outputs * itemsize
    return row >= _SHORTEST_ROW and layer.inputs * row >= _SMALLEST_WEIGHTS


def most_often(n: int, inputs: int) -> int:
    """The number of inputs used often up to which gathering them pays."""
    return int(inputs * max(_GATHERED_SHARE, n / (n + _GATHERED_SAMPLES)))


@final
class ZeroInputs:
    """A linear layer for batches of n, with the `forward` and the `vjp` of a layer.

    It keeps buffers, and remembers which inputs the batch of the last `forward` uses and which rows of dL/dW are not
    zero. Where the same array is handed in again, only those rows are cleared: nobody else may write to it meanwhile.
    """

    def __init__(self, layer: Linear, n: int, dtype: DType) -> None:
        self._whole = small_products.in_blocks(layer, n, dtype)
        self._most_often = most_often(n, layer.inputs)
        self._uses = np.empty((n, layer.inputs), np.bool_)
        self._used = np.empty(layer.inputs, np.bool_)
        self._filled = np.empty(layer.inputs, np.bool_)
        self._weights: Array | None = None  # the array whose rows `_filled` are not zero
        self._gathered = Gathered(layer, n, dtype)
        has_entries = n >= smallest_batch_of_entries(dtype.itemsize)
        self._entries = Entries(layer, n, dtype) if has_entries else None
        self._left_out = False

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """z (n, o) of a batch x (n, i), whose zeros decide whether any are left out."""
        np.not_equal(x, 0, out=self._uses)
        used = np.bitwise_or.reduce(self._uses, axis=0, out=self._used)
        often = used if self._entries is None else used & self._are_used_often()
        self._left_out = int(np.count_nonzero(often)) <= self._most_often
        if not self._left_out:
            return self._whole.forward(params, x, out=out)
        self._gathered.select(x, often)
        self._gathered.forward(params, out=out)
        if self._entries is not None:
            self._entries.select(x, self._uses, used ^ often)
            self._entries.add_forward(params, out=out)
        return out

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
        """dL/dW and dL/db into `dparams`, for the batch of the last `forward`."""
        weights = dparams["W"]
        if weights is not self._weights:
            self._weights = weights
            self._filled.fill(True)
        if not self._left_out:
            self._filled.fill(True)
            return self._whole.vjp(params, x, y, dy, input_needed=input_needed, out=out, dparams=dparams)
        weights[np.greater(self._filled, self._used)] = 0
        self._filled[...] = self._used
        self._gathered.gradient(dy, weights=weights, bias=dparams["b"])
        if self._entries is not None:
            self._entries.gradient(dy, weights=weights)
        return (np.matmul(dy, params["W"].T, out=out) if input_needed else None), dparams

    def _are_used_often(self) -> Array:
        counted = self._uses[:: -(-len(self._uses) // _MOST_COUNTED)].view(np.uint8)
        often: Array = np.add.reduce(counted, axis=0, dtype=np.uint8) > _RARELY * len(counted)
        return often

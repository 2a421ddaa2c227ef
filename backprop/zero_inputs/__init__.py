"""The first linear layer without its inputs that are zero, where that pays.

    x[n,i] = 0   ⇒   row i of W adds nothing to z[n,:], and sample n nothing to dL/dW[i,:]

Two pixels in five of a batch of 32 digits are zero in every sample. `blocks` leaves such inputs out of both
products; `staircase`, for a large batch, those too that are zero in most samples. Nothing but zeros is left out.
"""

from __future__ import annotations

from backprop import blas
from backprop.arrays import Array, DType
from backprop.layers import Layer, Linear
from backprop.zero_inputs import blocks, staircase
from backprop.zero_inputs.base import ZeroInputs

_SMALLEST_WEIGHTS = 2**15
"""Below this size of W the whole product takes less time than gathering rows."""

_LARGEST_THREADED_BATCH = 8
"""Rows are gathered by one thread: beyond this batch several multiply all of them in less time."""


def prepare(n: int, layer: Layer, dtype: DType, gradient: Array) -> ZeroInputs | None:
    """For batches of n; None where it cannot pay for such a layer, or beside several threads of BLAS.

    `gradient` (i, o) is dL/dW, zero to begin with, and nobody else may write to it.
    """
    if not isinstance(layer, Linear) or not _can_pay(n, layer):
        return None
    chosen = staircase.Staircase if n >= staircase.SMALLEST_BATCH else blocks.Blocks
    return chosen(n, layer, dtype, gradient)


def buffer_bytes(n: int, layer: Layer, itemsize: int) -> int:
    """The bytes of what `prepare` allocates with the threads that BLAS has now."""
    if not isinstance(layer, Linear) or not _can_pay(n, layer):
        return 0
    if n >= staircase.SMALLEST_BATCH:
        return staircase.buffer_bytes(n, layer, itemsize)
    return blocks.buffer_bytes(n, layer, itemsize)


def _can_pay(n: int, layer: Linear) -> bool:
    large = layer.inputs * layer.outputs >= _SMALLEST_WEIGHTS
    return large and (n <= _LARGEST_THREADED_BATCH or blas.threads() == 1)


__all__ = ["ZeroInputs", "buffer_bytes", "prepare"]

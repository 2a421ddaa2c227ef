"""The first linear layer without its inputs that are zero, where that pays.

    x[n,i] = 0   ⇒   row i of W adds nothing to z[n,:], and sample n nothing to dL/dW[i,:]

Two pixels in five of a batch of 32 digits are zero in every sample. `blocks` leaves such inputs out of both
products; `staircase`, for a large batch, those too that are zero in most samples. Nothing but zeros is left out.
"""

from __future__ import annotations

from backprop.arrays import Array, DType
from backprop.layers import Layer, Linear
from backprop.zero_inputs import blocks, staircase
from backprop.zero_inputs.base import ZeroInputs

_SMALLEST_WEIGHTS = 2**15
"""Below this size of W the whole product takes less time than gathering rows."""


def worth_preparing(layer: Layer) -> bool:
    """Whether leaving inputs out can pay for such a layer."""
    return isinstance(layer, Linear) and layer.inputs * layer.outputs >= _SMALLEST_WEIGHTS


def prepare(n: int, layer: Linear, dtype: DType, gradient: Array) -> ZeroInputs:
    """For batches of n; `gradient` (i, o) is dL/dW, zero to begin with, and nobody else may write to it."""
    chosen = staircase.Staircase if n >= staircase.SMALLEST_BATCH else blocks.Blocks
    return chosen(n, layer, dtype, gradient)


def buffer_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The bytes of what `prepare` allocates."""
    if n >= staircase.SMALLEST_BATCH:
        return staircase.buffer_bytes(n, layer, itemsize)
    return blocks.buffer_bytes(n, layer, itemsize)


__all__ = ["ZeroInputs", "buffer_bytes", "prepare", "worth_preparing"]

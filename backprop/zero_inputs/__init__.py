"""The first linear layer without its inputs that are zero, where that pays.

    x[n,i] = 0   ⇒   row i of W adds nothing to z[n,:], and sample n nothing to dL/dW[i,:]

Two pixels in five of a batch of 32 digits are zero in every sample, and of a batch of 512 a third of the others
in all but a few. `gathered` multiplies what many samples use, `entries` what few do, one number at a time.
Nothing but zeros is left out.
"""

from __future__ import annotations

from typing import TypeGuard

from backprop import blas
from backprop.arrays import Array, DType
from backprop.layers import Layer, Linear
from backprop.zero_inputs import split
from backprop.zero_inputs.split import ZeroInputs

_SMALLEST_WEIGHTS = 3 * 2**18
"""Bytes of W below which the whole product takes less time than gathering rows: it stays in the cache."""

_SHORTEST_ROW = 2**10
"""Bytes of a row of W below which gathering it takes longer than multiplying it."""

_LARGEST_THREADED_BATCH = 8
"""Rows are gathered by one thread: beyond this batch several multiply all of them in less time."""


def prepare(n: int, layer: Layer, dtype: DType, gradient: Array) -> ZeroInputs | None:
    """For batches of n; None where it cannot pay for such a layer, or beside several threads of BLAS.

    `gradient` (i, o) is dL/dW, zero to begin with, and nobody else may write to it.
    """
    return ZeroInputs(n, layer, dtype, gradient) if _can_pay(layer, n, dtype.itemsize) else None


def buffer_bytes(n: int, layer: Layer, itemsize: int) -> int:
    """The bytes of what `prepare` allocates with the threads that BLAS has now."""
    return split.buffer_bytes(n, layer, itemsize) if _can_pay(layer, n, itemsize) else 0


def transient_bytes(n: int, layer: Layer, itemsize: int) -> int:
    """The most bytes that a call allocates beside, for digits."""
    return split.transient_bytes(n, layer, itemsize) if _can_pay(layer, n, itemsize) else 0


def _can_pay(layer: Layer, n: int, itemsize: int) -> TypeGuard[Linear]:
    if not isinstance(layer, Linear):
        return False
    row = layer.outputs * itemsize
    large = row >= _SHORTEST_ROW and layer.inputs * row >= _SMALLEST_WEIGHTS
    return large and (n <= _LARGEST_THREADED_BATCH or blas.threads() == 1)


__all__ = ["ZeroInputs", "buffer_bytes", "prepare", "transient_bytes"]

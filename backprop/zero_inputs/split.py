"""Which inputs of a batch are used often, rarely or never; and the layer made of the first two.

often     by so many samples that their rows of W are gathered and multiplied as one matrix
rarely    by so few that every x[n,i] that is not zero is multiplied with row i of W by itself
never     left out: their rows of dL/dW are zero
"""

from __future__ import annotations

from typing import final

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import Linear, Tensors
from backprop.zero_inputs import entries, gathered
from backprop.zero_inputs.entries import Entries
from backprop.zero_inputs.gathered import Gathered

SMALLEST_BATCH_OF_ENTRIES = 128
"""Below, finding what is used rarely takes the time that it saves."""

_RARELY = 1 / 12
"""The share of samples up to which an input is used rarely.

A row of W added by itself takes as long as a dozen within a matrix product, in float32 and float64.
"""

_MOST_COUNTED = 255
"""Uses are counted in a byte, in so many samples: what is taken for rare decides on the time and on nothing else."""


def most_often(n: int, inputs: int) -> int:
    """The number of inputs used often up to which gathering them pays.

    Gathering a row costs about as much as multiplying it with 16 samples, and of small batches never more
    than half of all rows: there both products are bound by reading and writing W.
    """
    return int(inputs * max(0.55, n / (n + 16)))


def buffer_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The buffers of a plan: which inputs each sample uses, and those that are gathered."""
    return n * layer.inputs + gathered.buffer_bytes(n, layer, itemsize)


def transient_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The most bytes that a call allocates at once, of a batch like digits."""
    return entries.transient_bytes(n, layer, itemsize) if n >= SMALLEST_BATCH_OF_ENTRIES else 0


@final
class ZeroInputs:
    """Buffers for a batch of n, what its inputs are, and what the last call has put into the gradient.

    `gradient` (i, o) is dL/dW: from call to call only those of its rows are cleared that were filled before.
    """

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array) -> None:
        self._layer = layer
        self._gradient = gradient
        self._most_often = most_often(n, layer.inputs)
        self._uses = np.empty((n, layer.inputs), np.bool_)
        self._used = np.empty(layer.inputs, np.bool_)
        self._filled = np.zeros(layer.inputs, np.bool_)
        self._gathered = Gathered(n, layer, dtype)
        self._entries = Entries(n, layer, dtype) if n >= SMALLEST_BATCH_OF_ENTRIES else None
        self._left_out = False

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """z (n, o) of a batch x (n, i), whose zeros decide whether any are left out."""
        np.not_equal(x, 0, out=self._uses)
        used = np.bitwise_or.reduce(self._uses, axis=0, out=self._used)
        often = used if self._entries is None else used & self._are_used_often()
        self._left_out = int(np.count_nonzero(often)) <= self._most_often
        if not self._left_out:
            return self._layer.forward(params, x, out=out)
        self._gathered.take(x, often)
        self._gathered.forward(params, out=out)
        if self._entries is not None:
            self._entries.take(x, self._uses, used ^ often)
            self._entries.add_forward(params, out=out)
        return out

    def vjp(self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors) -> None:
        """dL/dW into the gradient and dL/db into `dparams["b"]`, for the batch of the last `forward`."""
        if not self._left_out:
            self._layer.vjp(params, x, y, dy, input_needed=False, dparams=dparams)
            self._filled.fill(True)
            return
        self._gradient[np.greater(self._filled, self._used)] = 0
        self._filled[...] = self._used
        self._gathered.gradient(dy, weights=self._gradient, bias=dparams["b"])
        if self._entries is not None:
            self._entries.gradient(dy, weights=self._gradient)

    def _are_used_often(self) -> Array:
        counted = self._uses[:: -(-len(self._uses) // _MOST_COUNTED)].view(np.uint8)
        often: Array = np.add.reduce(counted, axis=0, dtype=np.uint8) > _RARELY * len(counted)
        return often

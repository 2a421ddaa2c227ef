"""The first linear layer without the inputs that are zero in every sample of a batch.

    x[n,i] = 0 for every n   ⇒   row i of W adds nothing to z, and dL/dW[i,o] = Σₙ x[n,i] dz[n,o] = 0

Two pixels in five of a batch of 32 digits are such inputs. Their rows are left out of both products, exactly:
the others are gathered, multiplied, and their gradient is put where it belongs.
"""

from __future__ import annotations

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors

_SMALLEST_WEIGHTS = 2**15
"""Below this size of W the whole product takes less time than gathering rows."""


def worth_preparing(layer: Linear) -> bool:
    """Whether leaving rows out can pay for a layer of this size."""
    return layer.inputs * layer.outputs >= _SMALLEST_WEIGHTS


def most_active(n: int, inputs: int) -> int:
    """The number of active inputs up to which gathering pays.

    Gathering a row costs about as much as multiplying it with 16 samples, and of small batches never more
    than half of all rows: there both products are bound by reading and writing W.
    """
    return int(inputs * max(0.55, n / (n + 16)))


class ZeroInputs:
    """Buffers for a batch of n, and what the last call has put into the gradient.

    `gradient` (i, o) is dL/dW: it must be zero to begin with, and nobody else may write to it, because from
    call to call only the rows are cleared that this object has filled.
    """

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array) -> None:
        self._layer = layer
        self._gradient = gradient
        self._filled: Array | slice = slice(0, 0)
        self._inputs = aligned_empty((n * layer.inputs,), dtype)
        self._rows = aligned_empty((layer.inputs, layer.outputs), dtype)  # of W going forward, of dL/dW back
        self._bits = np.dtype(f"u{dtype.itemsize}")
        self._most_active = most_active(n, layer.inputs)
        self._active: Array | None = None
        self._x: Array | None = None

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """z (n, o); finds out which inputs are active in this batch (n, i), and whether leaving out pays."""
        # A float is zero where all its bits are; the or of integers runs at the speed of memory. (-0.0 counts
        # as active, which costs a row and changes nothing.)
        active = np.flatnonzero(np.bitwise_or.reduce(x.view(self._bits), axis=0))
        if len(active) > self._most_active:
            self._active = None
            return self._layer.forward(params, x, out=out)
        self._active = active
        self._x = self._inputs[: len(x) * len(active)].reshape(len(x), len(active))
        np.take(x, active, axis=1, out=self._x, mode="clip")  # in any other mode `out` is buffered
        rows = self._rows[: len(active)]
        np.take(params["W"], active, axis=0, out=rows, mode="clip")
        return self._layer.forward({"W": rows, "b": params["b"]}, self._x, out=out)

    def vjp(self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors) -> None:
        """dL/dW into the gradient and dL/db into `dparams["b"]`, for the batch of the last `forward`."""
        if self._active is None:
            self._layer.vjp(params, x, y, dy, input_needed=False, dparams=dparams)
            self._filled = slice(None)
            return
        assert self._x is not None
        rows = self._rows[: len(self._active)]
        self._layer.vjp(params, self._x, y, dy, input_needed=False, dparams={"W": rows, "b": dparams["b"]})
        self._gradient[self._filled] = 0
        self._gradient[self._active] = rows
        self._filled = self._active

"""The first linear layer without the inputs that are zero in every sample of a batch.

    x[n,i] = 0 for every n   ⇒   row i of W adds nothing to z, and dL/dW[i,o] = Σₙ x[n,i] dz[n,o] = 0

Two pixels in five of a batch of 32 digits are such inputs. Their rows are left out of both products, exactly:
the others are gathered, multiplied, and their gradient is put where it belongs, a block of rows at a time, so
that a block is still in the cache when it is multiplied or scattered.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors

_SMALLEST_WEIGHTS = 2**15
"""Below this size of W the whole product takes less time than gathering rows."""

_BLOCK_BYTES = 2**19
"""A block of rows and what BLAS packs of it fit a second-level cache of 1 MB and more."""


def worth_preparing(layer: Linear) -> bool:
    """Whether leaving rows out can pay for a layer of this size."""
    return layer.inputs * layer.outputs >= _SMALLEST_WEIGHTS


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


def buffer_numbers(n: int, layer: Linear, itemsize: int) -> int:
    """How many numbers the buffers hold: the active inputs of a batch, a block, and its part of z."""
    rows = block_rows(n, layer, itemsize)
    part = n * layer.outputs if rows < layer.inputs else 0
    return n * layer.inputs + rows * layer.outputs + part


class ZeroInputs:
    """Buffers for a batch of n, and what the last call has put into the gradient.

    `gradient` (i, o) is dL/dW: it must be zero to begin with, and nobody else may write to it, because from
    call to call only the rows are cleared that this object has filled.
    """

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array) -> None:
        self._layer = layer
        self._gradient = gradient
        self._inputs = aligned_empty((n * layer.inputs,), dtype)
        rows = block_rows(n, layer, dtype.itemsize)
        self._block = aligned_empty((rows, layer.outputs), dtype)  # of W going forward, of dL/dW back
        self._part = aligned_empty((n, layer.outputs), dtype) if rows < layer.inputs else None
        self._bits = np.dtype(f"u{dtype.itemsize}")
        self._most_active = most_active(n, layer.inputs)
        self._filled = np.zeros(layer.inputs, np.bool_)
        self._active: Array | None = None
        self._x = self._inputs

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
        if len(active) == 0:
            out.fill(0)
        for block in self._blocks():
            rows = self._block[: len(active[block])]
            np.take(params["W"], active[block], axis=0, out=rows, mode="clip")
            if block.start == 0:
                np.matmul(self._x[:, block], rows, out=out)
            else:
                assert self._part is not None
                np.add(out, np.matmul(self._x[:, block], rows, out=self._part), out=out)
        return np.add(out, params["b"], out=out)

    def vjp(self, params: Tensors, x: Array, y: Array, dy: Array, *, dparams: Tensors) -> None:
        """dL/dW into the gradient and dL/db into `dparams["b"]`, for the batch of the last `forward`."""
        if self._active is None:
            self._layer.vjp(params, x, y, dy, input_needed=False, dparams=dparams)
            self._filled.fill(True)
            return
        self._filled[self._active] = False
        self._gradient[self._filled] = 0
        self._filled.fill(False)
        self._filled[self._active] = True
        for block in self._blocks():
            chosen = self._active[block]
            rows = self._block[: len(chosen)]
            self._layer.weight_gradient(self._x[:, block], dy, out=rows)
            self._gradient[chosen] = rows
        self._layer.bias_gradient(dy, out=dparams["b"])

    def _blocks(self) -> Iterator[slice]:
        """The active inputs in blocks that are about equally long."""
        assert self._active is not None
        count = len(self._active)
        blocks = -(-count // len(self._block))
        for k in range(blocks):
            yield slice(k * count // blocks, (k + 1) * count // blocks)

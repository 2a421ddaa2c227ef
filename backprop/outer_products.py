"""∂(outputs)/∂W of a linear layer, an outer product for every sample and class, kept in one dense array.

    ∂(outputs)/∂W[n,c,i,o] = x[n,i] ∂(outputs)/∂y[n,c,o]
    dL/dW[i,o]             = Σₙ Σ_c dL/d(outputs)[n,c] ∂(outputs)/∂W[n,c,i,o]

The array is whole after every call, but a part of it is multiplied with dL/d(outputs) as soon as it is written
and still in the cache: writing it at the speed of memory is what such a Jacobian costs, and reading it again
would cost as much. Where x[n,i] = 0 its rows (n, :, i, :) are zero, of a digit four in five: they are
cleared if another batch had written them, and add nothing to dL/dW.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array, aligned_empty
from backprop.broadcasting import multiply_outer, short_buffers

Shape = tuple[int, int, int, int]

_SHORTEST_ROW = 64
"""Below this o a run of rows is too short a piece of work, and the whole array is written, then contracted."""

_BLOCK_BYTES = 2**19
"""Bytes that are written at a time, so that they are still in a second-level cache of 1 MB when they are read."""


def buffer_bytes(shape: Shape, itemsize: int) -> int:
    """The bytes of what is kept beside an array (n, c, i, o)."""
    n, _, i, o = shape
    return n * i + _rows_at_a_time(shape, itemsize) * o * itemsize


def _rows_at_a_time(shape: Shape, itemsize: int) -> int:
    _, c, i, o = shape
    return min(i, max(1, _BLOCK_BYTES // (c * o * itemsize)))


class OuterProducts:
    """The array (n, c, i, o), which must be zero to begin with, and which of its rows were written last."""

    def __init__(self, array: Array) -> None:
        n, c, i, o = array.shape
        self.array = array
        self._flat = array.reshape(n, c, i * o)
        self._rows = _rows_at_a_time((n, c, i, o), array.itemsize)
        self._part = aligned_empty((self._rows * o,), array.dtype)
        self._by_blocks = o >= _SHORTEST_ROW and array.nbytes > _BLOCK_BYTES
        self._written = np.zeros((n, i), np.bool_)

    def contract(self, row: Array, x: Array, jacobian: Array, *, out: Array) -> None:
        """dL/dW (i, o) into `out`, and on the way the array.

        row is dL/d(outputs) (n, c), x the layer's inputs (n, i), and jacobian ∂(outputs)/∂y (n, c, o).
        """
        if self._by_blocks:
            self._contract_by_blocks(row, x, jacobian, out.reshape(-1))
        else:
            np.multiply(x[:, None, :, None], jacobian[:, :, None, :], out=self.array)
            np.matmul(row.reshape(1, -1), self.array.reshape(row.size, -1), out=out.reshape(1, -1))

    def _contract_by_blocks(self, row: Array, x: Array, jacobian: Array, gradient: Array) -> None:
        # Plain arrays: an explanation must not take a block, which is a piece of a derivative, for the whole of it.
        row, x, jacobian = np.asarray(row), np.asarray(x), np.asarray(jacobian)
        o = jacobian.shape[2]
        gradient.fill(0)
        with short_buffers():
            for n, start, stop in self._blocks(x):
                multiply_outer(x[n, start:stop], jacobian[n], out=self.array[n, :, start:stop])
                place = slice(start * o, stop * o)
                part = self._part[: (stop - start) * o]
                np.matmul(row[n], self._flat[n, :, place], out=part)
                np.add(gradient[place], part, out=gradient[place])

    def _blocks(self, x: Array) -> Iterator[tuple[int, int, int]]:
        """Sample, start and stop of every run of inputs that are not zero; the rows of all others are cleared."""
        active = x != 0
        for n, start, stop in _runs(np.greater(self._written, active)):
            self.array[n, :, start:stop] = 0
        self._written = active
        for n, start, stop in _runs(active):
            for first in range(start, stop, self._rows):
                yield n, first, min(first + self._rows, stop)


def _runs(mask: Array) -> Iterator[tuple[int, int, int]]:
    """Row, start and stop of every run of true entries in the rows of `mask` (n, i)."""
    n, i = mask.shape
    padded = np.zeros((n, i + 2), np.bool_)
    padded[:, 1:-1] = mask
    flips = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    rows, starts = np.divmod(flips[::2], i + 1)
    return zip(rows.tolist(), starts.tolist(), (flips[1::2] - rows * (i + 1)).tolist(), strict=True)

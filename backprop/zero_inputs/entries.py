"""The inputs that are used rarely, as the numbers that are not zero: z[n,:] += x[n,i] W[i,:], one by one.

No row of W is gathered, and of each only what its few samples need is multiplied.
"""

from __future__ import annotations

from typing import final

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import Linear, Tensors

_ADDED_BYTES = 2**19
"""What is added to z is made for so many samples at a time that it is still in the cache when it is added."""

_DIGITS_FOUND = 0.007
"""The share of all pixels of a batch of digits that are not zero and rarely used."""

_DIGITS_INPUTS = 0.25
"""The share of pixels that are used rarely."""


def _samples_at_a_time(layer: Linear, itemsize: int) -> int:
    """The part of z that is made at once."""
    return max(1, _ADDED_BYTES // (layer.outputs * itemsize))


def transient_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """For digits: a part of z or of dL/dW, whichever is larger, and number and place of every entry."""
    part = max(
        min(n, _samples_at_a_time(layer, itemsize)) * layer.outputs,
        int(_DIGITS_INPUTS * layer.inputs) * layer.outputs,
    )
    return part * itemsize + int(_DIGITS_FOUND * n * layer.inputs) * (4 + itemsize)


@final
class Entries:
    """The entries of a batch of n, as scipy.sparse holds them: numbers, columns, and where each row starts."""

    def __init__(self, n: int, layer: Linear, dtype: DType) -> None:
        # Here, so that whoever does not need it does not wait a tenth of a second for it.
        from scipy.sparse import csc_array, csr_array

        self._by_sample, self._by_input = csr_array, csc_array
        self._at_a_time = _samples_at_a_time(layer, dtype.itemsize)
        self._first_of_sample = np.arange(n + 1) * layer.inputs
        self._place = np.empty(layer.inputs, np.int32)

    def take(self, x: Array, uses: Array, chosen: Array) -> None:
        """Of x (n, i) the entries that `uses` (n, i) tells, of the inputs that `chosen` (i,) tells.

        `uses` is overwritten.
        """
        found = np.flatnonzero(np.bitwise_and(uses, chosen, out=uses))
        self._values = x.reshape(-1)[found]
        self._columns = (found % x.shape[1]).astype(np.int32)
        self._starts = np.searchsorted(found, self._first_of_sample).astype(np.int32)
        self._inputs = np.flatnonzero(chosen)

    def add_forward(self, params: Tensors, *, out: Array) -> None:
        """What the entries add to z (n, o)."""
        weights = params["W"]
        for first in range(0, len(out), self._at_a_time):
            z = out[first : first + self._at_a_time]
            starts = self._starts[first : first + len(z) + 1]
            found = slice(starts[0], starts[-1])
            x = self._by_sample(
                (self._values[found], self._columns[found], starts - starts[0]), shape=(len(z), len(weights))
            )
            np.add(z, x @ weights, out=z)

    def gradient(self, dy: Array, *, weights: Array) -> None:
        """The rows of dL/dW of the inputs taken."""
        self._place[self._inputs] = np.arange(len(self._inputs))
        x_transposed = self._by_input(
            (self._values, self._place[self._columns], self._starts), shape=(len(self._inputs), len(dy))
        )
        weights[self._inputs] = x_transposed @ dy

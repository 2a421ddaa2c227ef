"""The inputs that a batch uses rarely: every number that is not zero is multiplied by itself."""

from __future__ import annotations

from typing import final

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import Linear, Tensors
from backprop.zero_inputs.gathered import BLOCK_BYTES


def samples_at_a_time(layer: Linear, itemsize: int) -> int:
    """For how many samples a part of z is computed at a time, so that it is still in the cache when it is added."""
    return max(1, BLOCK_BYTES // (layer.outputs * itemsize))


@final
class Entries:
    """The inputs used rarely, as the numbers that are not zero: z[n,:] += x[n,i] W[i,:], one by one.

    scipy.sparse holds them as numbers, columns, and where each sample starts. No row of W is gathered, and of each
    only what its few samples need is multiplied.
    """

    def __init__(self, layer: Linear, n: int, dtype: DType) -> None:
        # Imported here, since the import takes a tenth of a second and only large batches need it.
        from scipy.sparse import csc_array, csr_array

        self._by_sample, self._by_input = csr_array, csc_array
        self._at_a_time = samples_at_a_time(layer, dtype.itemsize)
        self._first_of_sample = np.arange(n + 1) * layer.inputs
        self._place = np.empty(layer.inputs, np.int32)

    def select(self, x: Array, uses: Array, mask: Array) -> None:
        """Select the entries of x (n, i) where `uses` (n, i) and `mask` (i,) hold; `uses` is overwritten."""
        found = np.flatnonzero(np.bitwise_and(uses, mask, out=uses))
        self._values = x.reshape(-1)[found]
        self._columns = (found % x.shape[1]).astype(np.int32)
        self._starts = np.searchsorted(found, self._first_of_sample).astype(np.int32)
        self._inputs = np.flatnonzero(mask)

    def add_forward(self, params: Tensors, *, out: Array) -> None:
        """Add to z (n, o) what the entries make of it."""
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
        """The rows of dL/dW of the selected inputs."""
        self._place[self._inputs] = np.arange(len(self._inputs))
        x_transposed = self._by_input(
            (self._values, self._place[self._columns], self._starts), shape=(len(self._inputs), len(dy))
        )
        weights[self._inputs] = x_transposed @ dy

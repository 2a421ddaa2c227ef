"""∂(outputs)/∂W of a linear layer, an outer product for every sample and class, kept in one dense array.

    ∂(outputs)/∂W[n,c,i,o] = x[n,i] ∂(outputs)/∂y[n,c,o]

Where x[n,i] = 0 the rows (n, :, i, :) are zero: of a digit, four rows in five. The array is dense and is read
as one, but only the other rows are written, as runs of neighbours, and those cleared that another batch had
written. What is written at the speed of memory is what such a Jacobian costs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array

_SHORTEST_ROW = 64
"""Below this o a run is too short a piece of work, and one product over the whole array is faster."""


class OuterProducts:
    """The array (n, c, i, o), which must be zero to begin with, and which of its rows were written last."""

    def __init__(self, array: Array) -> None:
        n, _, i, o = array.shape
        self.array = array
        self._by_runs = o >= _SHORTEST_ROW
        self._written = np.zeros((n, i), np.bool_)

    def update(self, x: Array, jacobian: Array) -> None:
        """x (n, i) times the Jacobian of the outputs to this layer's own (n, c, o), for every n, c, i, o."""
        if not self._by_runs:
            np.multiply(x[:, None, :, None], jacobian[:, :, None, :], out=self.array)
            return
        active = x != 0
        for n, start, stop in _runs(self._written & ~active):
            self.array[n, :, start:stop] = 0
        for n, start, stop in _runs(active):
            np.multiply(x[n, start:stop, None], jacobian[n, :, None, :], out=self.array[n, :, start:stop])
        self._written = active


def _runs(mask: Array) -> Iterator[tuple[int, int, int]]:
    """Row, start and stop of every run of true entries in the rows of `mask` (n, i)."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).view(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, stops = np.nonzero(edges == -1)
    yield from zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)

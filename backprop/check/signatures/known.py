"""Known: what is known of a tensor's true gradient, all its entries or its slopes along some directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array


@dataclass(frozen=True)
class Known:
    """The truth about one tensor.

    values (k,): its entries in order, or its slopes along `directions` (k, size), for a Jacobian (m · k,) of every
    output in turn. tolerance: how far the values of a right gradient may be from them; infinite where nothing can be
    said, such as at a kink.
    """

    values: Array
    tolerance: Array
    directions: Array | None = None

    def of(self, tensor: Array) -> Array:
        """The same values (k,) of another tensor."""
        flat = np.asarray(tensor, self.values.dtype).reshape(-1)
        if self.directions is None:
            return flat
        along: Array = flat.reshape(-1, self.directions.shape[1]) @ self.directions.T
        return along.reshape(-1)

    @property
    def usable(self) -> Array:
        """Which values can be compared (k,)."""
        return np.isfinite(self.tolerance) & np.isfinite(self.values)

    def fits(self, values: Array, factor: float = 1.0) -> bool:
        """Whether other values are these, each to `factor` times its tolerance."""
        use = self.usable
        return bool(np.any(use)) and bool(
            np.all(np.abs(values - self.values)[use] <= factor * self.tolerance[use])
        )

    def informative(self) -> int:
        """How many values are clearly not zero."""
        use = self.usable
        return int(np.sum(np.abs(self.values[use]) > 20 * self.tolerance[use]))

    def fitted(self, others: list[Array]) -> Array:
        """The coefficients with which the sum of other values (k,) comes nearest, in units of the tolerance."""
        use = self.usable
        weight = 1 / np.maximum(self.tolerance[use], np.finfo(np.float64).tiny * 1e10)
        weight = weight / np.max(weight)
        columns = np.stack([other[use] * weight for other in others], axis=1).astype(np.float64)
        found, *_ = np.linalg.lstsq(columns, (self.values[use] * weight).astype(np.float64), rcond=None)
        return found


def entries(expected: Array, tolerance: Array | float) -> Known:
    """Every entry of a tensor, known to `tolerance`, one for all or one for each."""
    values = np.asarray(expected, np.result_type(expected, np.float64)).reshape(-1)
    each = np.broadcast_to(np.asarray(tolerance, np.float64), np.shape(expected)).reshape(-1)
    return Known(values, each)

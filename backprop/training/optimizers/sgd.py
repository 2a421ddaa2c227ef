"""Stochastic gradient descent, θ ← θ - η g   (Robbins and Monro 1951)."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.training.optimizers.base import Optimizer


@final
class SGD(Optimizer):
    """θ ← θ - η g; no state."""

    name: ClassVar[str] = "sgd"
    summary: ClassVar[str] = "θ ← θ - η g"
    learning_rate: ClassVar[float] = 0.5
    state_names: ClassVar[tuple[str, ...]] = ()

    def _step(self, gradient: Array, learning_rate: float, step: int) -> None:
        """Two passes over each block."""
        rate = self.vector.dtype.type(learning_rate)
        for scratch, weights, g in self._blocks(gradient):
            np.multiply(g, rate, out=scratch)
            np.subtract(weights, scratch, out=weights)

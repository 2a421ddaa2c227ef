"""Stochastic gradient descent, θ ← θ - η g   (Robbins and Monro 1951)."""

from __future__ import annotations

from typing import ClassVar, final

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
        """One pass over each block."""
        for _, weights, g in self._blocks(gradient):
            self._add(weights, -learning_rate, g)

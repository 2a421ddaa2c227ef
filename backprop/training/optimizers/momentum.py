"""Gradient descent with momentum (Polyak 1964), in the form of Sutskever et al. (ICML 2013, section 2).

    v ← μ v - η g        θ ← θ + v        μ = 0.9

The learning rate enters the velocity, so that lowering it slows the steps to come and not those under way.
We keep -v, which saves a pass.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.training.optimizers.base import Optimizer


@final
class Momentum(Optimizer):
    """v ← μ v - η g, θ ← θ + v. The state `velocity` is -v, which is subtracted from the weights."""

    name: ClassVar[str] = "momentum"
    summary: ClassVar[str] = "v ← 0.9 v - η g, θ ← θ + v"
    learning_rate: ClassVar[float] = 0.2
    state_names: ClassVar[tuple[str, ...]] = ("velocity",)
    decay: ClassVar[float] = 0.9
    """μ, what of the velocity is left after a step."""

    def _step(self, gradient: Array, learning_rate: float, step: int) -> None:
        """Three passes over each block."""
        decay = self.vector.dtype.type(self.decay)
        for _, weights, velocity, g in self._blocks(gradient):
            np.multiply(velocity, decay, out=velocity)
            self._add(velocity, learning_rate, g)
            np.subtract(weights, velocity, out=weights)

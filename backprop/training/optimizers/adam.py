"""Adam (Kingma and Ba, ICLR 2015, algorithm 1, with the order of computation of its section 2).

    m ← β₁ m + g            M = (1 - β₁) m            β₁ = 0.9
    s ← β₂ s + g²           S = (1 - β₂) s            β₂ = 0.999
    θ ← θ - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · M / (√S + ε √(1 - β₂ᵗ))        ε = 1e-8,  t = 1, 2, …

M and S are the paper's moments. We keep them without their constant factors, which are drawn together
into one number a step and save two passes; ε is scaled so that the result is the paper's, bias corrected.
"""

from __future__ import annotations

import math
from typing import ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.training.optimizers.base import Optimizer


@final
class Adam(Optimizer):
    """Steps of about η for every parameter, whatever the scale of its gradient."""

    name: ClassVar[str] = "adam"
    summary: ClassVar[str] = "θ ← θ - η M / (√S + ε), with the running means M of g and S of g²"
    learning_rate: ClassVar[float] = 0.002
    state_names: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")
    decays: ClassVar[tuple[float, float]] = (0.9, 0.999)
    """β₁ and β₂."""
    epsilon: ClassVar[float] = 1e-8

    def _step(self, gradient: Array, learning_rate: float, step: int) -> None:
        """Ten passes over each block."""
        scalar, (first, second) = self.vector.dtype.type, self.decays
        correction = math.sqrt((1 - second ** (step + 1)) / (1 - second))  # of √s
        rate = scalar(learning_rate * correction * (1 - first) / (1 - first ** (step + 1)))
        epsilon, beta1, beta2 = scalar(self.epsilon * correction), scalar(first), scalar(second)
        for scratch, weights, m, s, g in self._blocks(gradient):
            np.multiply(m, beta1, out=m)
            np.add(m, g, out=m)
            np.multiply(s, beta2, out=s)
            np.multiply(g, g, out=scratch)
            np.add(s, scratch, out=s)
            np.sqrt(s, out=scratch)
            np.add(scratch, epsilon, out=scratch)
            np.divide(m, scratch, out=scratch)
            np.multiply(scratch, rate, out=scratch)
            np.subtract(weights, scratch, out=weights)

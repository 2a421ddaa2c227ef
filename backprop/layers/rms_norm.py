"""RMS normalisation: every sample, or every token of one, is divided by the root of the mean of its squares, then γ.

    h[n,o] = x[n,o] r[n]        r[n] = 1/√(mean x[n]² + ε)        y = γ h

    ∂y[n,o]/∂x[n,i] = γ[o] r[n] (δ[o,i] - h[n,o] h[n,i] / d)        d features

    VJP: dx = r (γ dy - h mean(γ dy h))

No mean is taken away and nothing is added (Zhang and Sennrich 2019, arXiv:1910.07467). Of tokens (t, d) the last axis
is normalised, of samples of any other shape all numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Shape, Tensors
from backprop.layers.normalisation import EPSILON
from backprop.layers.over_features import OverFeatures


@final
@dataclass(frozen=True, repr=False)
class RMSNorm(OverFeatures):
    """γ x / √(mean x² + ε) over the features of a sample, or of each of its tokens."""

    shape: Shape

    name: ClassVar[str] = "rms-norm"
    forward_flops_per_number: ClassVar[int] = 4
    dx_flops_per_number: ClassVar[int] = 6
    examples: ClassVar[tuple[str, ...]] = ("2 rms-norm", "3x4 rms-norm")
    centred: ClassVar[bool] = False

    def _torch(self, torch: Any, own: Any, rows: Any) -> Any:
        return torch.nn.functional.rms_norm(rows, self.split[-1:], own["gamma"], EPSILON)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Token by token, from the sum of its squares."""
        rows = [
            params["gamma"] * token * (sum(value**2 for value in token) / len(token) + EPSILON) ** -0.5
            for token in x.reshape(-1, self.features)
        ]
        return np.array(rows).reshape(x.shape)

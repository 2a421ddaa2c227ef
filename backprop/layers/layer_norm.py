"""Layer normalisation: every sample, or token of one, has mean 0 and variance 1 over its features, then γ and β.

    h[n,o] = (x[n,o] - mean x[n]) r[n]        r[n] = 1/√(variance x[n] + ε)        y = γ h + β

    ∂y[n,o]/∂x[n,i] = γ[o] r[n] (δ[o,i] - 1/d - h[n,o] h[n,i] / d)        d features

    VJP: dx = r (γ dy - mean(γ dy) - h mean(γ dy h))

Of tokens (t, d) the last axis is normalised, of samples of any other shape all numbers (Ba, Kiros and Hinton 2016,
arXiv:1607.06450).
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
class LayerNorm(OverFeatures):
    """γ (x - mean) / √(variance + ε) + β over the features of a sample, or of each of its tokens."""

    shape: Shape

    name: ClassVar[str] = "layer-norm"
    forward_flops_per_number: ClassVar[int] = 7
    dx_flops_per_number: ClassVar[int] = 9
    examples: ClassVar[tuple[str, ...]] = ("2 layer-norm", "3x4 layer-norm")

    def _torch(self, torch: Any, own: Any, rows: Any) -> Any:
        return torch.nn.functional.layer_norm(rows, self.split[-1:], own["gamma"], own["beta"], EPSILON)

    def oracle(self, params: Tensors, x: Array) -> Array:
        """Token by token, from its mean and the distances to it."""
        rows = []
        for token in x.reshape(-1, self.features):
            mean = sum(token) / len(token)
            variance = sum((value - mean) ** 2 for value in token) / len(token)
            rows.append(params["gamma"] * (token - mean) * (variance + EPSILON) ** -0.5 + params["beta"])
        return np.array(rows).reshape(x.shape)

"""The approximation of gelu by tanh, ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import NoCost, gelu_tanh, gelu_tanh_slope
from backprop.layers import Tensors


@final
@dataclass(frozen=True, repr=False)
class GeluTanh(NoCost):
    """The approximation that most frameworks offer beside the exact gelu."""

    name: ClassVar[str] = "gelu by its tanh approximation"

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
        return gelu_tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        """Its derivative."""
        return gelu_tanh_slope(x)

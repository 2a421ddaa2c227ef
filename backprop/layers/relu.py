"""The rectified linear unit f(x) = max(x, 0), with f'(x) = 1 where x > 0 and else 0.

At x = 0 there is no derivative; like every library we take 0 (Bertoin et al., NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Tensors
from backprop.layers.elementwise import Elementwise


@final
@dataclass(frozen=True, repr=False)
class ReLU(Elementwise):
    """max(x, 0)."""

    name: ClassVar[str] = "relu"
    reads_input: ClassVar[bool] = False
    kinks: ClassVar[tuple[float, ...]] = (0.0,)
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 1
    derivative_flops_per_element: ClassVar[int] = 1
    forward_temporaries: ClassVar[int] = 0
    derivative_temporaries: ClassVar[int] = 1
    derivative_is_mask: ClassVar[bool] = True
    formulas: ClassVar[Mapping[str, str]] = {"forward": "max({x}[n,o], 0)", "derivative": "[{x}[n,o] > 0]"}
    cells: ClassVar[Mapping[str, str]] = {"forward": "MAX({x},0)", "derivative": "IF({x}>0,1,0)"}
    code: ClassVar[str | None] = "return np.maximum(z, 0)"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.numpy.where(x > 0, x, 0.0),
        "jax": lambda jax, own, x: jax.nn.relu(x),
        "torch": lambda torch, own, x: torch.relu(x),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """x where its real part is above zero, else 0."""
        return np.where(x.real > 0, x, 0)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """max(x, 0); of a complex number, x itself where its real part is above zero."""
        if np.iscomplexobj(x):
            right: Array = np.where(x.real > 0, x, 0)
            return right if out is None else np.positive(right, out=out)
        y: Array = np.maximum(x, 0, out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """True where y > 0, which is exactly where x > 0; a product with it keeps the other's dtype."""
        mask: Array = np.greater(y, 0)
        return mask

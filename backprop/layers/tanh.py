"""The hyperbolic tangent f(x) = tanh x, with f'(x) = 1 - y²."""

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
class Tanh(Elementwise):
    """tanh x."""

    name: ClassVar[str] = "tanh"
    reads_input: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 10
    derivative_flops_per_element: ClassVar[int] = 2
    forward_temporaries: ClassVar[int] = 0
    derivative_temporaries: ClassVar[int] = 1
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {"forward": "tanh {x}[n,o]", "derivative": "(1 - {y}[n,o]²)"}
    cells: ClassVar[Mapping[str, str]] = {"forward": "TANH({x})", "derivative": "(1-{y}^2)"}
    code: ClassVar[str | None] = "return np.tanh(z)"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.numpy.tanh(x),
        "jax": lambda jax, own, x: jax.numpy.tanh(x),
        "torch": lambda torch, own, x: torch.tanh(x),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """(1 - e⁻²ˣ) / (1 + e⁻²ˣ)."""
        e = np.exp(-2 * x)
        return np.asarray((1 - e) / (1 + e))

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """tanh x."""
        y: Array = np.tanh(x, out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """1 - y²."""
        slope = np.square(y)
        return np.subtract(1, slope, out=slope)

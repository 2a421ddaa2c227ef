"""The logistic sigmoid f(x) = 1 / (1 + e⁻ˣ), with f'(x) = y (1 - y)."""

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
class Sigmoid(Elementwise):
    """1 / (1 + e⁻ˣ)."""

    name: ClassVar[str] = "sigmoid"
    reads_input: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 12
    derivative_flops_per_element: ClassVar[int] = 2
    forward_temporaries: ClassVar[int] = 0
    derivative_temporaries: ClassVar[int] = 1
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "1 / (1 + exp(-{x}[n,o]))",
        "derivative": "{y}[n,o] (1 - {y}[n,o])",
    }
    cells: ClassVar[Mapping[str, str]] = {"forward": "1/(1+EXP(-{x}))", "derivative": "{y}*(1-{y})"}
    code: ClassVar[str | None] = "return 1 / (1 + np.exp(-z))"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.scipy.special.expit(x),
        "jax": lambda jax, own, x: jax.nn.sigmoid(x),
        "torch": lambda torch, own, x: torch.sigmoid(x),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """1 / (1 + e⁻ˣ)."""
        return np.asarray(1 / (1 + np.exp(-x)))

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """1 / (1 + e⁻ˣ), without overflow for x far below zero."""
        if np.iscomplexobj(x):  # SciPy's function takes real numbers only
            half: Array = np.multiply(x, 0.5, out=out)
            np.tanh(half, out=half)  # 1 / (1 + e⁻ˣ) = (1 + tanh x/2) / 2
            half += 1
            half *= 0.5
            return half
        from scipy.special import expit

        y: Array = expit(x, out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """y (1 - y)."""
        slope = np.subtract(1, y)
        return np.multiply(slope, y, out=slope)

"""The sigmoid linear unit, or swish, f(x) = x σ(x), with f'(x) = σ(x) + f(x) σ(-x).

σ is the logistic sigmoid (Elfwing, Uchibe and Doya, arXiv:1702.03118; Ramachandran et al., arXiv:1710.05941).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Tensors
from backprop.layers.elementwise import Elementwise
from backprop.layers.sigmoid import Sigmoid


@final
@dataclass(frozen=True, repr=False)
class SiLU(Elementwise):
    """x / (1 + e⁻ˣ)."""

    name: ClassVar[str] = "silu"
    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 13
    derivative_flops_per_element: ClassVar[int] = 27
    forward_temporaries: ClassVar[int] = 1
    derivative_temporaries: ClassVar[int] = 2
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "{x}[n,o] / (1 + exp(-{x}[n,o]))",
        "derivative": "({y}[n,o] + (1 - {y}[n,o]) / (1 + exp(-{x}[n,o])))",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "forward": "{x}/(1+EXP(-{x}))",
        "derivative": "({y}+(1-{y})/(1+EXP(-{x})))",
    }
    code: ClassVar[str | None] = "return z / (1 + np.exp(-z))"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: x * autograd.scipy.special.expit(x),
        "jax": lambda jax, own, x: jax.nn.silu(x),
        "torch": lambda torch, own, x: torch.nn.functional.silu(x),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """x / (1 + e⁻ˣ)."""
        return np.asarray(x / (1 + np.exp(-x)))

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x σ(x)."""
        y: Array = np.multiply(x, Sigmoid().forward({}, x), out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """σ(x) + y σ(-x), in which 1 - σ(x) keeps its digits."""
        slope = np.negative(x)
        slope = Sigmoid().forward({}, slope, out=slope)
        slope *= y
        slope += Sigmoid().forward({}, x)
        return slope

"""The softplus f(x) = log(1 + eˣ), with f'(x) = 1 / (1 + e⁻ˣ) (Dugas et al., NIPS 2000)."""

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
class Softplus(Elementwise):
    """log(1 + eˣ)."""

    name: ClassVar[str] = "softplus"
    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 22
    derivative_flops_per_element: ClassVar[int] = 12
    forward_temporaries: ClassVar[int] = 0
    derivative_temporaries: ClassVar[int] = 1
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "log(1 + exp {x}[n,o])",
        "derivative": "(1 / (1 + exp(-{x}[n,o])))",
    }
    cells: ClassVar[Mapping[str, str]] = {"forward": "LN(1+EXP({x}))", "derivative": "(1/(1+EXP(-{x})))"}
    code: ClassVar[str | None] = "return np.logaddexp(0, z)"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.numpy.logaddexp(0.0, x),
        "jax": lambda jax, own, x: jax.nn.softplus(x),
        # PyTorch's own softplus is x itself beyond a threshold.
        "torch": lambda torch, own, x: torch.logaddexp(x, torch.zeros_like(x)),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """log(1 + eˣ), as x + log(1 + e⁻ˣ) right of zero."""
        right = x.real > 0
        return np.asarray(np.where(right, x, 0) + np.log1p(np.exp(np.where(right, -x, x))))

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """log(e⁰ + eˣ), without overflow."""
        if np.iscomplexobj(x):  # NumPy's logaddexp takes real numbers only
            right = x.real > 0
            value = np.where(right, x, 0) + np.log1p(np.exp(np.where(right, -x, x)))
            return value if out is None else np.positive(value, out=out)
        y: Array = np.logaddexp(x.dtype.type(0), x, out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """1 / (1 + e⁻ˣ)."""
        return Sigmoid().forward({}, x)

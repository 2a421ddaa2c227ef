"""The leaky rectified linear unit f(x) = x where x > 0 and else x/100, with f'(x) = 1 where x > 0 and else 1/100.

The slope left of zero is that of Maas, Hannun and Ng (ICML 2013), which PyTorch and JAX have by default. At x = 0
there is no derivative; like both we take that of the left side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Tensors
from backprop.layers.elementwise import Elementwise

SLOPE = 0.01
"""f'(x) left of zero."""


@final
@dataclass(frozen=True, repr=False)
class LeakyReLU(Elementwise):
    """max(x, x/100)."""

    name: ClassVar[str] = "leaky-relu"
    reads_input: ClassVar[bool] = True
    kinks: ClassVar[tuple[float, ...]] = (0.0,)
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 2
    derivative_flops_per_element: ClassVar[int] = 1
    forward_temporaries: ClassVar[int] = 1
    derivative_temporaries: ClassVar[int] = 2
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "max({x}[n,o], 1/100 {x}[n,o])",
        "derivative": "(1/100 + 99/100 [{x}[n,o] > 0])",
    }
    cells: ClassVar[Mapping[str, str]] = {"forward": "MAX({x},0.01*{x})", "derivative": "IF({x}>0,1,0.01)"}
    code: ClassVar[str | None] = "return np.where(z > 0, z, 0.01 * z)"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.numpy.where(x > 0, x, SLOPE * x),
        "jax": lambda jax, own, x: jax.nn.leaky_relu(x, SLOPE),
        "torch": lambda torch, own, x: torch.nn.functional.leaky_relu(x, SLOPE),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """x where its real part is above zero, else x/100."""
        return np.where(x.real > 0, x, SLOPE * x)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """max(x, x/100); of a complex number, x itself where its real part is above zero."""
        left = x * x.dtype.type(SLOPE)
        if np.iscomplexobj(x):
            left = np.where(x.real > 0, x, left)
            return left if out is None else np.positive(left, out=out)
        y: Array = np.maximum(x, left, out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """1 where x > 0, else 1/100."""
        slope: Array = np.where(x > 0, x.dtype.type(1), x.dtype.type(SLOPE))
        return slope

"""The Gaussian error linear unit f(x) = x Φ(x), with f'(x) = Φ(x) + x φ(x).

Φ and φ are the distribution and the density of the standard normal; this is the exact form, not the
tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Tensors
from backprop.layers.elementwise import Elementwise


@final
@dataclass(frozen=True, repr=False)
class GELU(Elementwise):
    """x Φ(x)."""

    name: ClassVar[str] = "gelu"
    reads_input: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    forward_flops_per_element: ClassVar[int] = 20
    derivative_flops_per_element: ClassVar[int] = 35
    forward_temporaries: ClassVar[int] = 1
    derivative_temporaries: ClassVar[int] = 2
    derivative_is_mask: ClassVar[bool] = False
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "{x}[n,o] Φ({x}[n,o])",
        "derivative": "(Φ({x}[n,o]) + {x}[n,o] φ({x}[n,o]))",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "forward": "{x}*NORMSDIST({x})",
        "derivative": "(NORMSDIST({x})+{x}*EXP(-({x}^2)/2)/SQRT(2*PI()))",
    }
    code: ClassVar[str | None] = "from scipy.special import erf\n\nreturn z * (1 + erf(z / 2**0.5)) / 2"
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: x * (1 + autograd.scipy.special.erf(x / math.sqrt(2))) / 2,
        "jax": lambda jax, own, x: jax.nn.gelu(x, approximate=False),
        "torch": lambda torch, own, x: torch.nn.functional.gelu(x),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """x (1 + erf(x/√2)) / 2."""
        from scipy.special import erf

        return np.asarray(x * (1 + erf(x / math.sqrt(2))) / 2)

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x Φ(x)."""
        y: Array = np.multiply(x, normal_distribution(x), out=out)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        """Φ(x) + x φ(x)."""
        density: Array = np.exp(np.square(x) * x.dtype.type(-0.5))
        density *= x
        density *= x.dtype.type(1 / math.sqrt(2 * math.pi)) if x.dtype != np.longdouble else _DENSITY_AT_ZERO
        density += normal_distribution(x)
        return density


def normal_distribution(x: Array) -> Array:
    """Φ(x) in the dtype of x, complex ones included; longdouble, which SciPy lacks, by the series below."""
    if x.dtype == np.longdouble:
        return _series(x)
    from scipy.special import ndtr

    distribution: Array = ndtr(x)
    return distribution


_DENSITY_AT_ZERO = 1 / np.sqrt(8 * np.arctan(np.longdouble(1)))  # 1 / √(2π)


def _series(x: Array) -> Array:
    """Φ(x) = ½ + φ(x) Σₖ x²ᵏ⁺¹ / (2k+1)!!, whose terms share their sign (Abramowitz and Stegun 26.2.11).

    Beyond |x| = 12 the tail is below 1e-32 and is left out, so that x Φ(x) is zero there. Left of zero, ½
    minus the sum cancels: the error stays below one unit of the last digit of 1, which is what the sum
    x Φ + … asks for.
    """
    near = np.clip(x, -12, 12)
    square, term = near * near, near.copy()
    total = term.copy()
    for k in range(1, 400):
        term *= square / (2 * k + 1)
        total += term
        if np.all(np.abs(term) <= np.finfo(np.longdouble).eps * np.abs(total)):
            break
    distribution: Array = np.longdouble(0.5) + total * np.exp(-square / 2) * _DENSITY_AT_ZERO
    distribution[x < -12] = 0
    return distribution

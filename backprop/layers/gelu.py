"""The Gaussian error linear unit f(x) = x Φ(x), with f'(x) = Φ(x) + x φ(x).

Φ and φ are the distribution and the density of the standard normal; this is the exact form, not the
tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415, section 2).

With buffers, Φ and φ are computed once for both directions, and Φ by a rational function: NumPy's products and sums
take many numbers at a time, SciPy's Φ one after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers.base import Planned, Tensors
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

    def planned(self, n: int, dtype: DType) -> Planned:
        """With buffers for what `forward` and `vjp` share."""
        return _Planned(n, dtype) if dtype.name in _TAILS else self

    def planned_bytes(self, n: int, i: int, o: int, itemsize: int) -> int:
        """Three buffers."""
        return 3 * n * o * itemsize

    def planned_call_bytes(self, n: int, i: int, o: int, itemsize: int) -> tuple[int, int]:
        """Nothing beside the buffers."""
        return 0, 0


_TAILS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "float32": (
        (
            0.5000000025370719,
            0.4371563924475338,
            0.18238806969676663,
            0.0403466247739525,
            0.0040734652776682504,
        ),
        (
            1.0,
            1.6721977282626543,
            1.1989924560536396,
            0.467233498975296,
            0.10114081576534907,
            0.010210534186458658,
        ),
    ),
    "float64": (
        (
            0.5,
            0.8280034427447279,
            0.6797332712107325,
            0.3574418084090895,
            0.1320942089774472,
            0.03568430044209757,
            0.007126931154486127,
            0.0010404287220327222,
            0.00010665964508880462,
            6.982696907689629e-06,
            2.2443962954256838e-07,
        ),
        (
            1.0,
            2.4538914462923214,
            2.817388641304314,
            2.001850312617829,
            0.98038025440563,
            0.34844655277867637,
            0.09202023874124028,
            0.018130798042887735,
            0.0026254710780907278,
            0.00026791866885991566,
            1.7503025502022946e-05,
            5.625867213589816e-07,
        ),
    ),
}
"""Polynomials P and Q in z with Φ(-z) exp(z²/2) = P(z) / Q(z) for z ≥ 0, to 6e-9 and to 1e-18, from 1 on upwards.

They are fitted to 50 digits by least squares with weights of Lawson (1961). All coefficients are positive, so that
nothing cancels.
"""

_FAR = 40
"""From here on Φ(-z) is zero in float64."""


class _Planned:
    """The layer for batches of n, with buffers: exp(-x²/2), Φ(-|x|) and one to work in, made at the first call.

    x Φ(x) = max(x, 0) - |x| Φ(-|x|)        Φ(x) = ½ + sign(x) (½ - Φ(-|x|))
    """

    def __init__(self, n: int, dtype: DType) -> None:
        self._buffers = aligned_empty((3, n, 0), dtype)
        self._p, self._q = ([dtype.type(c) for c in reversed(each)] for each in _TAILS[dtype.name])

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """x Φ(x)."""
        if self._buffers.shape[1:] != x.shape:
            self._buffers = aligned_empty((3, *x.shape), x.dtype)
        bell, tail, work = self._buffers
        z = np.minimum(np.abs(x, out=out), x.dtype.type(_FAR), out=out)
        np.multiply(z, z, out=bell)
        bell *= x.dtype.type(-0.5)
        np.exp(bell, out=bell)
        _polynomial(self._p, z, out=tail)
        tail /= _polynomial(self._q, z, out=work)
        tail *= bell
        z *= tail
        np.subtract(np.maximum(x, 0, out=work), z, out=out)
        return out

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool,
        out: Array,
        dparams: Tensors,
    ) -> tuple[Array | None, Tensors]:
        """(Φ(x) + x φ(x)) ∘ dy."""
        if not input_needed:
            return None, {}
        bell, tail, slope = self._buffers
        half = x.dtype.type(0.5)
        np.multiply(x, bell, out=slope)
        slope *= x.dtype.type(1 / math.sqrt(2 * math.pi))
        slope += np.copysign(np.subtract(half, tail, out=bell), x, out=bell)
        slope += half
        return np.multiply(dy, slope, out=out), {}


def _polynomial(coefficients: list[Any], z: Array, *, out: Array) -> Array:
    """By Horner's rule, the highest coefficient first."""
    first, second, *rest = coefficients
    np.multiply(z, first, out=out)
    out += second
    for coefficient in rest:
        out *= z
        out += coefficient
    return out


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

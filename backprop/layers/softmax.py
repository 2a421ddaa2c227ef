"""The softmax p = exp(z) / Σ exp(z) over the classes, a layer like any other.

    ∂p[n,o]/∂z[n,i] = p[n,o] (δ[o,i] - p[n,i])

    VJP: dz = p ∘ (dp - Σ p dp)        JVP: ṗ = p ∘ (ż - Σ p ż)

The largest logit is subtracted first, which changes nothing and keeps exp from overflowing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, OfAnyWidth, Tensors


@final
@dataclass(frozen=True, repr=False)
class Softmax(OfAnyWidth):
    """exp(z) / Σ exp(z)."""

    name: ClassVar[str] = "softmax"
    reads_input: ClassVar[bool] = False
    complex_safe: ClassVar[bool] = True
    last_symbol: ClassVar[str | None] = "p"
    flops_per_element: ClassVar[int] = 14
    """The operations of `forward`: maximum, difference, exponential (counted as 10), sum and division."""
    formulas: ClassVar[Mapping[str, str]] = {
        "forward": "exp({x}[n,o]) / Σi exp({x}[n,i])",
        "input_jacobian": "{y}[n,o] (δ[o,i] - {y}[n,i])",
        "vjp": "{y}[n,i] (∂{k}/∂{y}[n,i] - Σo {y}[n,o] ∂{k}/∂{y}[n,o])",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "forward": "EXP({x}-MAX({xs}))/SUMPRODUCT(EXP({xs}-MAX({xs})))",
        "input_jacobian": "{y}*({same}-{yi})",
        "vjp": "{y}*({d}-SUMPRODUCT({ys},{ds}))",
    }
    code: ClassVar[str | None] = (
        "e = np.exp(x - x.max(axis=1, keepdims=True))\nreturn e / e.sum(axis=1, keepdims=True)"
    )
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, own, x: autograd.numpy.exp(
            x - autograd.scipy.special.logsumexp(x, axis=1, keepdims=True)
        ),
        "jax": lambda jax, own, x: jax.nn.softmax(x),
        "torch": lambda torch, own, x: torch.softmax(x, dim=-1),
    }

    def oracle(self, params: Tensors, x: Array) -> Array:
        """exp x / Σ exp x, each sample by itself."""
        shifted = x - x.real.max(axis=1)[:, None]
        return np.stack([np.exp(row) / np.exp(row).sum() for row in shifted])

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """`flops_per_element` operations for each output."""
        return self.flops_per_element * n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """Product, sum, difference, product."""
        return 4 * n * o if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The sums over the classes, with which y is divided in place."""
        return (0 if out else n * o * itemsize) + n * itemsize + ufunc_buffer_bytes(n * o, itemsize)

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """Σ p dp, and dx."""
        return (0 if out else n * o * itemsize) + n * itemsize

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """exp(x - max x), divided by its sum over the classes.

        Complex numbers are ordered by their real parts, so that their maximum serves as well.
        """
        y: Array = np.subtract(x, x.max(axis=1, keepdims=True), out=out)
        np.exp(y, out=y)
        np.divide(y, y.sum(axis=1, keepdims=True), out=y)
        return y

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """diag(p) - p pᵀ for every sample, (n, o, o)."""
        jacobian = np.multiply(y[:, :, None], -y[:, None, :], out=out)
        np.einsum("noo->no", jacobian)[...] += y
        return jacobian

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """p (δ - p): every class depends on every logit, so no axis can be spared."""
        identity = np.eye(y.shape[1], dtype=y.dtype)
        return EinsumFactor("noi", np.einsum("no,noi->noi", y, identity - y[:, None, :]))

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """p ∘ (dp - Σ p dp)."""
        inner = np.einsum("no,no->n", y, dy)[:, None]
        dx: Array = np.subtract(dy, inner, out=out)
        dx *= y
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """p ∘ (ż - Σ p ż)."""
        dy: Array = y * (dx - np.sum(y * dx, axis=-1, keepdims=True))
        return dy

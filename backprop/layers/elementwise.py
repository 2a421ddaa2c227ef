"""Activations that act on each element alone: y[n,o] = f(x[n,o]), so the Jacobian is diagonal.

∂y[n,o]/∂x[n,i] = f'(x[n,o]) δ[o,i]        VJP: dx = f'(x) ∘ dy        JVP: ẏ = f'(x) ∘ ẋ
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers.base import EinsumFactor, OfAnyWidth, Tensors
from backprop.layers.cells import Cells


class Elementwise(OfAnyWidth):
    """A layer that is a function f of one number; a subclass states f and f'."""

    forward_flops_per_element: ClassVar[int]
    derivative_flops_per_element: ClassVar[int]
    forward_temporaries: ClassVar[int]
    """Arrays (n, o) that f has allocated at once, besides its result."""
    derivative_temporaries: ClassVar[int]
    """Arrays (n, o) that f' has allocated at once, its result included."""
    derivative_is_mask: ClassVar[bool]
    """Whether f'(x) is an array of booleans, of one byte each, that a product casts piece by piece."""

    def cell(self, form: str, at: Cells, *index: int) -> str | float | None:
        """The Jacobian is f' on the diagonal."""
        if form != "input_jacobian":
            return super().cell(form, at, *index)
        return super().cell("derivative", at, *index) if index[0] == index[1] else 0

    @abstractmethod
    def derivative(self, x: Array, y: Array) -> Array:
        """f'(x) (n, o); `x` is only read where `reads_input` says so."""

    def forward_flops(self, n: int, i: int, o: int) -> int:
        """The operations of f for every element."""
        return self.forward_flops_per_element * n * o

    def vjp_flops(self, n: int, i: int, o: int, *, input_needed: bool) -> int:
        """The operations of f' and one multiplication for every element."""
        return (self.derivative_flops_per_element + 1) * n * o if input_needed else 0

    def forward_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The temporaries of f, and y."""
        return (self.forward_temporaries + (0 if out else 1)) * n * o * itemsize

    def vjp_bytes(self, n: int, i: int, o: int, itemsize: int, *, out: bool) -> int:
        """The temporaries of f'; then f'(x) and dx."""
        size = n * o
        temporaries = self.derivative_temporaries * size * (1 if self.derivative_is_mask else itemsize)
        slope = size + ufunc_buffer_bytes(size, itemsize) if self.derivative_is_mask else size * itemsize
        return max(temporaries, slope + (0 if out else size * itemsize))

    def jvp_bytes(self, n: int, i: int, o: int, itemsize: int, *, directions: int | None = None) -> int:
        """The same product as that of `vjp`; of many directions, beside them f' is small."""
        if directions is not None:
            return n * directions * o * itemsize
        return self.vjp_bytes(n, i, o, itemsize, out=False)

    def input_nonzeros(self, i: int, o: int) -> int:
        """The diagonal."""
        return o

    def input_jacobian(self, params: Tensors, x: Array, y: Array, *, out: Array | None = None) -> Array:
        """f'(x) on the diagonal, (n, o, o)."""
        out = self._jacobian(x, y, out)
        np.einsum("noo->no", out)[...] = self.derivative(x, y)  # a writeable view of the diagonal
        return out

    def input_factor(self, params: Tensors, x: Array, y: Array) -> EinsumFactor:
        """f'(x), the diagonal alone."""
        return EinsumFactor("no", self.derivative(x, y))

    def pull(self, x: Array, y: Array, dy: Array, out: Array | None) -> Array:
        """f'(x) ∘ dy."""
        dx: Array = np.multiply(dy, self.derivative(x, y), out=out)
        return dx

    def jvp(self, params: Tensors, x: Array, y: Array, dx: Array, dparams: Tensors) -> Array:
        """f'(x) ∘ ẋ."""
        dy: Array = self.derivative(x, y) * dx
        return dy

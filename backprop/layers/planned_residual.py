"""A residual connection with buffers: what the layers inside make is kept from the way forward to the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers.base import Tensors

if TYPE_CHECKING:
    from backprop.layers.residual import Residual


class PlannedResidual:
    """The residual for batches of n, with an output and a dx of every layer inside."""

    def __init__(self, residual: Residual, n: int, dtype: DType) -> None:
        self._residual = residual
        self._layers = [layer.planned(n, dtype) for layer in residual.layers]
        self._outputs = [aligned_empty((n, o), dtype) for _, _, o in residual.sized]
        self._deltas = [aligned_empty((n, i), dtype) for _, i, _ in residual.sized]

    def forward(self, params: Tensors, x: Array, *, out: Array | None = None) -> Array:
        """x + f(x)."""
        y = x
        for layer, own, buffer in zip(self._layers, self._residual.local(params), self._outputs, strict=True):
            y = layer.forward(own, y, out=buffer)
        total: Array = np.add(x, y, out=out)
        return total

    def vjp(
        self,
        params: Tensors,
        x: Array,
        y: Array,
        dy: Array,
        *,
        input_needed: bool = True,
        out: Array | None = None,
        dparams: Tensors | None = None,
    ) -> tuple[Array | None, Tensors]:
        """dy + (∂f/∂x)ᵀ dy."""
        local, values, d = self._residual.local(params), [x, *self._outputs], dy
        assert dparams is not None
        for k, own in reversed(list(enumerate(self._residual.local(dparams)))):
            dx, _ = self._layers[k].vjp(
                local[k],
                values[k],
                values[k + 1],
                d,
                input_needed=input_needed or k > 0,
                out=self._deltas[k],
                dparams=own,
            )
            if dx is None:
                return None, dparams
            d = dx
        return np.add(dy, d, out=out), dparams

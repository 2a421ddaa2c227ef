"""A layer as the short form calls it: planned for batches of one size, with buffers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backprop.arrays import Array

Tensors = Mapping[str, Array]


class Planned(Protocol):
    """A layer with buffers of its own, for batches of one size: `forward` and `vjp` are called in turn."""

    def forward(self, params: Tensors, x: Array, *, out: Array) -> Array:
        """y (n, o) in `out`."""

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
        """∂L/∂x in `out`, where it is needed, and ∂L/∂θ in `dparams`."""

"""Inputs and samples of a large batch in an order that lays the zeros together, so that most are left out.

Inputs from the most used to the least, samples by the rarest input that they use:

    x x x x . . . .        Every step of the stairs is a block of samples that needs the first few inputs
    x x x x . . . .        alone: z = x W is a product a step, and dW = xᵀ dz one a block of inputs, over the
    x x x x x x . .        samples from the first that uses one of them.
    x x x x x x x x

Most digits stay within the middle of their image and a few reach to its edge: of 2,048 digits, which use four
inputs in five, three products in five are left. Sums over samples are taken in another order than that of the
batch, so the result is the same to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from backprop.arrays import Array, DType, aligned_empty
from backprop.layers import Linear, Tensors
from backprop.zero_inputs.base import ZeroInputs, even_blocks

SMALLEST_BATCH = 1536
"""Below, ordering takes the time that it saves."""

_STEP = 256
"""Samples of a step: fewer leave out more zeros, and pack the weights more often."""

_BLOCK = 128
"""Inputs of a block of dW: fewer leave out more zeros, and pack dz more often."""

_MOST_LEFT = 0.9
"""The share of all products up to which ordering pays."""

_LEVELS = 255
"""How finely the order of an input is told: in one byte, a sample's rarest is found at the speed of memory."""


def buffer_bytes(n: int, layer: Linear, itemsize: int) -> int:
    """The buffers of a plan: the ordered inputs, a step of them on the way, the weights, and a level each."""
    return ((n + _STEP) * layer.inputs + layer.inputs * layer.outputs) * itemsize + n * layer.inputs


@final
class Staircase(ZeroInputs):
    """Samples in an order of their own, each with as many of the ordered inputs as its step needs."""

    def __init__(self, n: int, layer: Linear, dtype: DType, gradient: Array) -> None:
        super().__init__(n, layer, dtype, gradient, rows=layer.inputs)
        self._step = aligned_empty((_STEP, layer.inputs), dtype)
        self._levels = np.empty((n, layer.inputs), np.uint8)
        self._needed = np.zeros(n, np.intp)
        self._per_level = -(-layer.inputs // _LEVELS)

    def _arrange(self, x: Array) -> Array | None:
        self._order = None
        # Any order is right: some of the samples, so few that a byte counts them, tell one that is good.
        some = (x[:: -(-len(x) // _LEVELS)] != 0).view(np.uint8)
        inputs = np.argsort(np.add.reduce(some, axis=0, dtype=np.uint8))[::-1]
        level = np.empty(len(inputs), np.uint8)
        level[inputs] = np.arange(len(inputs)) // self._per_level + 1
        if self._inputs_needed(some, level).mean() > _MOST_LEFT * len(inputs):
            return None

        np.not_equal(x, 0, out=self._levels.view(np.bool_))
        needed = self._inputs_needed(self._levels, level)
        self._order = np.argsort(needed, kind="stable")
        self._needed = needed[self._order]
        active = inputs[: self._needed[-1]]
        gathered = self._gather(len(x), len(active))
        for step in self._steps():  # which stays in the cache from one gathering to the other
            rows = self._step[: step.stop - step.start]
            np.take(x, self._order[step], axis=0, out=rows, mode="clip")
            np.take(rows, active, axis=1, out=gathered[step], mode="clip")
        return active

    def _inputs_needed(self, used: Array, level: Array) -> Array:
        """How many of the ordered inputs each sample needs, of ones where it uses one (n, i), overwritten."""
        highest = np.multiply(used, level, out=used).max(axis=1)
        needed: Array = np.minimum(highest.astype(np.intp) * self._per_level, len(level))
        return needed

    def _multiply(self, params: Tensors, active: Array, out: Array) -> None:
        weights = np.take(params["W"], active, axis=0, out=self._rows[: len(active)], mode="clip")
        for step in self._steps():
            width = self._needed[step.stop - 1]
            z = np.matmul(self._x[step, :width], weights[:width], out=out[step])
            np.add(z, params["b"], out=z)

    def _steps(self) -> Iterator[slice]:
        return even_blocks(len(self._needed), _STEP)

    def _blocks(self, count: int) -> Iterator[slice]:
        return even_blocks(count, _BLOCK)

    def _first_sample(self, block: slice) -> int:
        return int(np.searchsorted(self._needed, block.start, side="right"))

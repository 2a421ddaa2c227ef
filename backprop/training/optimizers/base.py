"""The Optimizer interface: one step on the one parameter vector (p,), in place, with memory made beforehand.

A step streams the weights, the gradient and the optimiser's own vectors through the processor several times.
It is therefore done block by block, each small enough that all its vectors stay in the level-2 cache between
one pass and the next: 0.28 ms instead of 0.42 ms for the 407,050 float32 parameters of 784-512-10.

A state vector fades where the gradient is zero, as for a pixel that is black in every image of many batches:
after some hundred steps its numbers are subnormal, stay subnormal when multiplied, and take a processor four times as
long. Every 64 steps numbers that small are set to zero, by (v + t) - t.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from scipy.linalg import get_blas_funcs

from backprop.arrays import Array, aligned_empty, aligned_zeros

BLOCK_BYTES = 1 << 18
"""Bytes of one vector in a block; three or four of them fit in a level-2 cache of 1 to 2 MB."""

CLEAN_EVERY = 64
"""Steps between two cleanings; what was just kept is still normal after as many decays by 0.9."""


class Optimizer(ABC):
    """Updates one parameter vector (p,). A subclass is final and lives in a file of its own.

    state: the vectors (p,) that a step carries over to the next, by name; a checkpoint holds exactly these.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """The update as a formula, on one line."""
    learning_rate: ClassVar[float]
    """The learning rate where none is asked for."""
    state_names: ClassVar[tuple[str, ...]]
    """The names in `state`, known before there is one."""

    def __init__(self, vector: Array) -> None:
        self.vector = vector
        self.state: dict[str, Array] = {
            name: aligned_zeros(vector.shape, vector.dtype) for name in self.state_names
        }
        self._length = max(1, BLOCK_BYTES // vector.itemsize)
        self._scratch = aligned_empty((min(self._length, vector.size),), vector.dtype)
        self._axpy = get_blas_funcs("axpy", dtype=vector.dtype)

    def update(self, gradient: Array, learning_rate: float, step: int) -> None:
        """Change the vector by one step; `gradient` (p,) is only read, `step` counts from 0."""
        if step % CLEAN_EVERY == 0:
            self._clean()
        self._step(gradient, learning_rate, step)

    @abstractmethod
    def _step(self, gradient: Array, learning_rate: float, step: int) -> None:
        """The step itself, block by block."""

    def _add(self, target: Array, factor: float, summand: Array) -> None:
        """target ← target + factor · summand, in one pass where NumPy makes two."""
        self._axpy(summand, target, a=factor)

    def _clean(self) -> None:
        """Zero what is below eps · t / 2 in the state vectors, with t = tiny / eps²: 5e-32 in float32.

        Larger numbers change by no more than that, which no weight can show.
        """
        limits = np.finfo(self.vector.dtype)
        threshold = self.vector.dtype.type(limits.tiny / limits.eps**2)
        for _, _, *states in self._blocks():
            for state in states:
                np.add(state, threshold, out=state)
                np.subtract(state, threshold, out=state)

    def _blocks(self, *vectors: Array) -> Iterator[tuple[Array, ...]]:
        """Block by block: the scratch, the weights, every state vector in order, and then `vectors`."""
        whole = (self.vector, *self.state.values(), *vectors)
        for start in range(0, self.vector.size, self._length):
            block = [vector[start : start + self._length] for vector in whole]
            yield self._scratch[: block[0].size], *block

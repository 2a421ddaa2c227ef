"""The optimisers: each a step on the one parameter vector (p,), in place, with memory made beforehand.

A step streams the weights, the gradient and the optimiser's own vectors through the processor several times.
It is therefore done block by block, each small enough that all its vectors stay in the level-2 cache between
one pass and the next.

A state vector v decays by μ a step. It is kept as u = v / μᵏ, k steps after the last that was a multiple of 64, which
spares the pass that multiplies it:

    v ← μ v + g      is      u ← u + g / μᵏ,     and every 64 steps     u ← μ⁶⁴ u

It fades where the gradient is zero, as for a pixel that is black in every image of many batches: after some hundred
steps its numbers are subnormal, stay subnormal when multiplied, and take a processor four times as long. Every 64
steps numbers that small are set to zero, by (u + t) - t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, final

import numpy as np
from scipy.linalg import get_blas_funcs

from backprop import blas
from backprop.arrays import Array, aligned_empty, aligned_zeros
from backprop.errors import UnknownNameError

BLOCK_BYTES = 1 << 18
"""Bytes of one vector in a block; three or four of them fit in a level-2 cache of 1 to 2 MB."""

_ALONE = 8192
"""Numbers that OpenBLAS adds on one thread; it spreads more than 10,000 over all (`interface/axpy.c`)."""

RENEW_EVERY = 64
"""Steps between two times that the states are multiplied by their decays; 0.9⁻⁶³ is 763, far from any overflow."""


class Optimizer(ABC):
    """Updates one parameter vector (p,). A subclass is final.

    state: the vectors (p,) that a step carries over to the next, by name, each as it is kept: divided by a power of
    its decay. A checkpoint holds exactly these.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """The update as a formula, on one line."""
    learning_rate: ClassVar[float]
    """The learning rate where none is asked for."""
    state_names: ClassVar[tuple[str, ...]]
    """The names in `state`, known before there is one."""
    decays: ClassVar[tuple[float, ...]]
    """μ of each state vector: what of it is left after a step."""

    def __init__(self, vector: Array) -> None:
        self.vector = vector
        self.state: dict[str, Array] = {
            name: aligned_zeros(vector.shape, vector.dtype) for name in self.state_names
        }
        self._length = max(1, BLOCK_BYTES // vector.itemsize)
        self._axpy = get_blas_funcs("axpy", dtype=vector.dtype)
        # The threads of SciPy's BLAS would take the cores from those of NumPy's, which wait there for the next
        # product: steps of 1.5 ms then took 18 ms.
        self._at_once = self._length if blas.threads() == 1 else _ALONE

    def update(self, gradient: Array, learning_rate: float, step: int) -> None:
        """Change the vector by one step; `gradient` (p,) is only read, `step` counts from 0."""
        if step % RENEW_EVERY == 0:
            self._renew()
        self._step(gradient, learning_rate, step, self.powers(step))

    @classmethod
    def powers(cls, step: int) -> tuple[float, ...]:
        """μᵏ of each state vector v in this step, which is kept as v / μᵏ."""
        return tuple(decay ** (step % RENEW_EVERY) for decay in cls.decays)

    @abstractmethod
    def _step(self, gradient: Array, learning_rate: float, step: int, powers: tuple[float, ...]) -> None:
        """The step itself, block by block; `powers` are those of the state vectors."""

    def _add(self, target: Array, factor: float, summand: Array) -> None:
        """target ← target + factor · summand, in one pass where NumPy makes two."""
        for start in range(0, len(target), self._at_once):
            count = min(self._at_once, len(target) - start)
            self._axpy(summand, target, n=count, a=factor, offx=start, offy=start)

    def _renew(self) -> None:
        """Multiply the states by their decays of 64 steps, and zero what is below eps · t / 2.

        With t = tiny / eps², 5e-32 in float32. Larger numbers change by no more than that, which no weight can show.
        """
        limits, scalar = np.finfo(self.vector.dtype), self.vector.dtype.type
        threshold = scalar(limits.tiny / limits.eps**2)
        for _, *states in self._blocks():
            for state, decay in zip(states, self.decays, strict=True):
                np.multiply(state, scalar(decay**RENEW_EVERY), out=state)
                np.add(state, threshold, out=state)
                np.subtract(state, threshold, out=state)

    def _blocks(self, *vectors: Array) -> Iterator[tuple[Array, ...]]:
        """Block by block: the weights, every state vector in order, and then `vectors`."""
        whole = (self.vector, *self.state.values(), *vectors)
        for start in range(0, self.vector.size, self._length):
            yield tuple(vector[start : start + self._length] for vector in whole)


@final
class SGD(Optimizer):
    """Stochastic gradient descent, θ ← θ - η g, without state (Robbins and Monro 1951)."""

    name: ClassVar[str] = "sgd"
    summary: ClassVar[str] = "θ ← θ - η g"
    learning_rate: ClassVar[float] = 0.5
    state_names: ClassVar[tuple[str, ...]] = ()
    decays: ClassVar[tuple[float, ...]] = ()

    def _step(self, gradient: Array, learning_rate: float, step: int, powers: tuple[float, ...]) -> None:
        """One pass over each block."""
        for weights, g in self._blocks(gradient):
            self._add(weights, -learning_rate, g)


@final
class Momentum(Optimizer):
    """v ← μ v - η g, θ ← θ + v, with μ = 0.9 (Polyak 1964, in the form of Sutskever et al., ICML 2013, section 2).

    The learning rate enters the velocity, so that lowering it slows the steps to come and not those under way. The
    state `velocity` is -v, which saves a pass.
    """

    name: ClassVar[str] = "momentum"
    summary: ClassVar[str] = "v ← 0.9 v - η g, θ ← θ + v"
    learning_rate: ClassVar[float] = 0.2
    state_names: ClassVar[tuple[str, ...]] = ("velocity",)
    decays: ClassVar[tuple[float, ...]] = (0.9,)

    def _step(self, gradient: Array, learning_rate: float, step: int, powers: tuple[float, ...]) -> None:
        """Two passes over each block."""
        (power,) = powers
        for weights, velocity, g in self._blocks(gradient):
            self._add(velocity, learning_rate / power, g)
            self._add(weights, -power, velocity)


@final
class Adam(Optimizer):
    """Steps of about η for every parameter, whatever the scale of its gradient.

        m ← β₁ m + g            M = (1 - β₁) m            β₁ = 0.9
        s ← β₂ s + g²           S = (1 - β₂) s            β₂ = 0.999
        θ ← θ - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · M / (√S + ε √(1 - β₂ᵗ))        ε = 1e-8,  t = 1, 2, …

    M and S are the moments of the paper. We keep them without their constant factors, which are drawn together into
    one number a step; ε is scaled so that the result is the paper's, bias corrected (Kingma and
    Ba, ICLR 2015, algorithm 1, with the order of computation of its section 2).
    """

    name: ClassVar[str] = "adam"
    summary: ClassVar[str] = "θ ← θ - η M / (√S + ε), with the running means M of g and S of g²"
    learning_rate: ClassVar[float] = 0.002
    state_names: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")
    decays: ClassVar[tuple[float, ...]] = (0.9, 0.999)
    epsilon: ClassVar[float] = 1e-8

    def __init__(self, vector: Array) -> None:
        super().__init__(vector)
        self._scratch = aligned_empty((min(self._length, vector.size),), vector.dtype)

    def _step(self, gradient: Array, learning_rate: float, step: int, powers: tuple[float, ...]) -> None:
        """Seven passes over each block."""
        scalar, (first, second), (power_m, power_s) = self.vector.dtype.type, self.decays, powers
        correction = math.sqrt((1 - second ** (step + 1)) / ((1 - second) * power_s))  # of √s as it is kept
        rate = learning_rate * correction * power_m * (1 - first) / (1 - first ** (step + 1))
        epsilon = scalar(self.epsilon * correction)
        for weights, m, s, g in self._blocks(gradient):
            scratch = self._scratch[: g.size]
            self._add(m, 1 / power_m, g)
            np.multiply(g, g, out=scratch)
            self._add(s, 1 / power_s, scratch)
            np.sqrt(s, out=scratch)
            np.add(scratch, epsilon, out=scratch)
            np.divide(m, scratch, out=scratch)
            self._add(weights, -rate, scratch)


OPTIMIZERS: dict[str, type[Optimizer]] = {one.name: one for one in (SGD, Momentum, Adam)}


def find_optimizer(name: str) -> type[Optimizer]:
    """The optimiser of that name; raises `UnknownNameError` for any other."""
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]

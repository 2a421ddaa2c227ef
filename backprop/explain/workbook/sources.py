"""What the cells show before anything is changed: the arrays of the two traces, by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.explain.explanation import Explanation
from backprop.explain.names import LOSS, SAMPLE_LOSS, Names
from backprop.explain.step import Trace
from backprop.network import Network


@dataclass(frozen=True, eq=False)
class Sources:
    """A network, its names, n, and what full-jacobian and short-form have formed of it."""

    network: Network
    names: Names
    n: int
    labels: Array
    full: Trace
    short: Trace

    @classmethod
    def of(cls, explanation: Explanation) -> Sources:
        """The sources of an explanation of those two strategies."""
        full, short = explanation.traces
        batch = explanation.batch
        return cls(explanation.network, full.names, len(batch.inputs), batch.labels, full, short)

    def given(self, name: str) -> Array:
        """x, t or a parameter; a bias as one row."""
        array = next(step.array for step in self.full.given if step.name == name)
        return np.atleast_2d(array)

    def of_samples(self, by: str) -> Array:
        """∂ℓ/∂by (n, …) of full-jacobian; of a single sample, ℓ is L."""
        of = LOSS if self.n == 1 else SAMPLE_LOSS
        array = self.full.find(f"∂{of}/∂{by}").array
        return array.reshape(self.n, *self.names.shapes[by])

    @property
    def sample_losses(self) -> Array:
        """ℓ as a column (n, 1)."""
        return self.full.find(LOSS if self.n == 1 else SAMPLE_LOSS).array.reshape(self.n, 1)

    @property
    def sample_heads(self) -> list[str]:
        """n=0, n=1, …"""
        return heads("n", self.n)


def heads(letter: str, count: int) -> list[str]:
    """i=0, i=1, …"""
    return [f"{letter}={k}" for k in range(count)]

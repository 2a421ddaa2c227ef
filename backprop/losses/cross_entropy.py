"""The cross-entropy L = -1/n Σₙ log p[n, label], a loss on probabilities.

    ∂L/∂p[n,c] = -1/n · y[n,c] / p[n,c]        with y one-hot
    ∂L/∂z[n,c] =  1/n · (p[n,c] - y[n,c])      through the softmax at once: the shortcut

The first divides by a probability and the softmax multiplies by it again; the second never does, so it
keeps its digits where a probability is tiny (Bishop 2006, section 4.3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers import Layer, Softmax
from backprop.losses.base import Loss


@final
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-1/n Σₙ log p[n, label]."""

    name: ClassVar[str] = "cross-entropy"
    fused_layer: ClassVar[type[Layer] | None] = Softmax
    needs_probabilities: ClassVar[bool] = True
    complex_safe: ClassVar[bool] = True
    value_temporaries: ClassVar[int] = 0
    fused_value_temporaries: ClassVar[int] = 2

    def value(self, y: Array, labels: Array) -> Any:
        """-1/n Σₙ log p[n, label]; infinite where such a probability has underflowed to zero."""
        return np.mean(self.sample_values(y, labels))

    def sample_values(self, y: Array, labels: Array) -> Array:
        """-log p[n, label]."""
        with np.errstate(divide="ignore"):
            values: Array = -np.log(y[np.arange(len(y)), labels])
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """-1/(n p) at the label and else 0."""
        gradient, rows = np.zeros_like(y), np.arange(len(y))
        with np.errstate(divide="ignore"):
            gradient[rows, labels] = -1 / (y[rows, labels] * y.dtype.type(len(y)))
        return gradient

    def fused_value(self, z: Array, labels: Array) -> Any:
        """1/n Σₙ (log Σ exp z - z[n, label])."""
        return np.mean(self.fused_sample_values(z, labels))

    def fused_sample_values(self, z: Array, labels: Array) -> Array:
        """Log Σ exp z - z[n, label], with the largest logit, or that of largest real part, subtracted first."""
        shifted = z - z.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        values: Array = log_sum - shifted[np.arange(len(z)), labels]
        return values

    def fused_value_and_gradient(
        self, z: Array, labels: Array, *, out: Array | None = None
    ) -> tuple[Any, Array]:
        """The same value, and (p - y) / n from the same exponentials."""
        rows = np.arange(len(z))
        delta = np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out=out)
        at_label = delta[rows, labels]
        np.exp(delta, out=delta)
        total = np.add.reduce(delta, axis=1, keepdims=True)
        n = z.dtype.type(len(z))
        value = np.add.reduce(np.log(total[:, 0]) - at_label) / n  # np.mean takes five times as long
        np.divide(delta, total, out=delta)
        delta[rows, labels] -= 1
        np.divide(delta, n, out=delta)
        return value, delta

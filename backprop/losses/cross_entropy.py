"""The cross-entropy L = -1/n Σₙ log p[n, label], a loss of probabilities.

    ∂L/∂p[n,c] = -1/n · y[n,c] / p[n,c]        with y one-hot

It divides by a probability, and the softmax multiplies by it again; the short form of both never does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers import Layer, Softmax
from backprop.losses.base import Loss
from backprop.losses.softmax_cross_entropy import SoftmaxCrossEntropy


@final
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-1/n Σₙ log p[n, label]."""

    name: ClassVar[str] = "cross-entropy"
    needs_output: ClassVar[str | None] = "softmax"
    complex_safe: ClassVar[bool] = True
    temporaries: ClassVar[int] = 0
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "-1/n Σn log {y}[n,label]",
        "gradient": "-1/n t[n,c] / {y}[n,c]",
    }
    cells: ClassVar[Mapping[str, str]] = {"value": "-LN(SUMPRODUCT({ys},{ts}))", "gradient": "-{t}/{y}"}
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "jax": lambda jax, y, labels: -jax.numpy.mean(jax.numpy.log(y[jax.numpy.arange(len(labels)), labels]))
    }

    def after(self, layer: Layer) -> Loss | None:
        """Of a softmax the loss of its logits."""
        return SoftmaxCrossEntropy() if isinstance(layer, Softmax) else None

    def sample_values(self, y: Array, labels: Array) -> Array:
        """-log p[n, label]; infinite where such a probability has underflowed to zero."""
        with np.errstate(divide="ignore"):
            values: Array = -np.log(y[np.arange(len(y)), labels])
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """-1/(n p) at the label and else 0."""
        gradient, rows = np.zeros_like(y), np.arange(len(y))
        with np.errstate(divide="ignore"):
            gradient[rows, labels] = -1 / (y[rows, labels] * y.dtype.type(len(y)))
        return gradient

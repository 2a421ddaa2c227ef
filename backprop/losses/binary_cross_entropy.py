"""The binary cross-entropy of every output, L = -1/n Σₙ Σ_c (t log y + (1 - t) log (1 - y)), t the labels one-hot.

    ∂L/∂y[n,c] = 1/n · (y[n,c] - t[n,c]) / (y[n,c] (1 - y[n,c]))

The mean is over samples and the sum over outputs (Nielsen 2015, chapter 3); PyTorch's `BCELoss` takes the mean over
outputs, too, and so has 1/c of it. Of a single output the label itself, 0 or 1, is the target, as in logistic
regression. A probability that is 0 or 1 makes it infinite; the short form of sigmoid and loss never divides by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers import Layer, Sigmoid
from backprop.losses.base import Loss, by_formula
from backprop.losses.sigmoid_binary_cross_entropy import SigmoidBinaryCrossEntropy


@final
@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """-1/n Σ (t log y + (1 - t) log (1 - y))."""

    name: ClassVar[str] = "binary-cross-entropy"
    needs_output: ClassVar[str | None] = "sigmoid"
    complex_safe: ClassVar[bool] = True
    binary: ClassVar[bool] = True
    temporaries: ClassVar[int] = 4
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "-1/n Σn Σc (t[n,c] log {y}[n,c] + (1 - t[n,c]) log(1 - {y}[n,c]))",
        "gradient": "1/n ({y}[n,c] - t[n,c]) / ({y}[n,c] (1 - {y}[n,c]))",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "value": "-SUMPRODUCT(LN(1-{ts}+(2*{ts}-1)*{ys}))",
        "gradient": "({y}-{t})/({y}*(1-{y}))",
    }
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = by_formula(
        lambda numpy, y, t: -numpy.log((1 - t) + (2 * t - 1) * y).sum() / len(y), "jax"
    )

    def after(self, layer: Layer) -> Loss | None:
        """Of a sigmoid the loss of its inputs."""
        return SigmoidBinaryCrossEntropy() if isinstance(layer, Sigmoid) else None

    def sample_values(self, y: Array, labels: Array) -> Array:
        """-Σ_c log of y where t is 1, and of 1 - y where t is 0."""
        with np.errstate(divide="ignore"):
            values: Array = -np.log(self._of_targets(y, self.targets(labels, y))).sum(axis=1)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """-1/(n y) where t is 1, and 1/(n (1 - y)) where t is 0."""
        t = self.targets(labels, y)
        with np.errstate(divide="ignore"):
            gradient: Array = (1 - 2 * t) / (self._of_targets(y, t) * y.dtype.type(len(y)))
        return gradient

    @staticmethod
    def _of_targets(y: Array, t: Array) -> Array:
        """The probability of every target: y where t is 1, 1 - y where t is 0, without rounding of y."""
        return np.asanyarray((1 - t) + (2 * t - 1) * y)

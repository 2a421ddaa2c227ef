"""The mean squared error L = 1/(n c) Σₙ Σ_c (y[n,c] - t[n,c])², with t the labels one-hot.

    ∂L/∂y[n,c] = 2/(n c) · (y[n,c] - t[n,c])

The mean is over samples and classes alike, as scikit-learn and PyTorch have it. Of a single output the label itself,
0 or 1, is the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.losses.base import Loss, by_formula


@final
@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """1/(n c) Σ (y - t)²."""

    name: ClassVar[str] = "mean-squared-error"
    complex_safe: ClassVar[bool] = True
    binary: ClassVar[bool] = True
    temporaries: ClassVar[int] = 2
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "1/(n c) Σn Σc ({y}[n,c] - t[n,c])²",
        "gradient": "2/(n c) ({y}[n,c] - t[n,c])",
    }
    cells: ClassVar[Mapping[str, str]] = {"value": "SUMXMY2({ys},{ts})/{c}", "gradient": "2/{c}*({y}-{t})"}
    code: ClassVar[str | None] = """\
loss = np.mean(({y} - t) ** 2)
{d} = 2 * ({y} - t) / {y}.size
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = by_formula(
        lambda numpy, y, t: ((y - t) ** 2).mean(), "autograd", "jax", "torch"
    )

    def sample_values(self, y: Array, labels: Array) -> Array:
        """1/c Σ_c (y - t)²."""
        values: Array = np.square(_residual(y, labels)).mean(axis=1)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """2/(n c) (y - t)."""
        gradient = _residual(y, labels)
        gradient *= y.dtype.type(2) / y.dtype.type(y.size)
        return gradient


def _residual(y: Array, labels: Array) -> Array:
    """y - t (n, c), a new array."""
    residual = y.copy(order="K")
    if y.shape[1] == 1:
        residual[:, 0] -= labels
    else:
        residual[np.arange(len(y)), labels] -= 1
    return residual

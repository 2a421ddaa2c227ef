"""Half of the squared error, L = 1/n Σₙ ½ Σ_c (y[n,c] - t[n,c])², with t the labels one-hot.

    ∂L/∂y[n,c] = 1/n · (y[n,c] - t[n,c])

The mean is over samples, the sum over outputs, and the half cancels the 2 of the square, as Nielsen (2015, chapter 2)
and Bishop (2006, section 5.2) have it. It is c/2 times the mean squared error, whose mean is over outputs, too.
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
class HalfSquaredError(Loss):
    """1/(2n) Σ (y - t)²."""

    name: ClassVar[str] = "half-squared-error"
    complex_safe: ClassVar[bool] = True
    binary: ClassVar[bool] = True
    temporaries: ClassVar[int] = 3
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "1/n Σn 1/2 Σc ({y}[n,c] - t[n,c])²",
        "gradient": "1/n ({y}[n,c] - t[n,c])",
    }
    cells: ClassVar[Mapping[str, str]] = {"value": "SUMXMY2({ys},{ts})/2", "gradient": "({y}-{t})"}
    code: ClassVar[str | None] = """\
loss = (({y} - t) ** 2).sum() / (2 * n)
{d} = ({y} - t) / n
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = by_formula(
        lambda numpy, y, t: ((y - t) ** 2).sum() / (2 * len(y)), "autograd", "jax", "torch"
    )

    def sample_values(self, y: Array, labels: Array) -> Array:
        """½ Σ_c (y - t)²."""
        values: Array = np.square(y - self.targets(labels, y)).sum(axis=1)
        values *= y.dtype.type(0.5)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """(y - t) / n."""
        gradient: Array = y - self.targets(labels, y)
        gradient /= y.dtype.type(len(y))
        return gradient

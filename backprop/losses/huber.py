"""The Huber loss L = 1/n Σₙ Σ_c h(y[n,c] - t[n,c]), t the labels one-hot: a square near zero, a straight line beyond.

    h(e) = ½ e² where |e| ≤ 1, else |e| - ½
    ∂L/∂y[n,c] = 1/n · (e where |e| ≤ 1, else ±1)

The mean is over samples and the sum over outputs, as of the half of the squared error, which it equals near the
targets; PyTorch's `HuberLoss` takes the mean over outputs, too (Huber 1964, section 2, with k = 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.losses.base import Loss, by_formula, targets_in

_ERROR = "({y}[n,c] - t[n,c])"


@final
@dataclass(frozen=True)
class Huber(Loss):
    """1/n Σ ½ e² where |e| ≤ 1, else |e| - ½."""

    name: ClassVar[str] = "huber"
    complex_safe: ClassVar[bool] = True
    binary: ClassVar[bool] = True
    temporaries: ClassVar[int] = 3
    formulas: ClassVar[Mapping[str, str]] = {
        "value": f"1/n Σn Σc (1/2 {_ERROR}² - 1/2 max(max({_ERROR}, -{_ERROR}) - 1, 0)²)",
        "gradient": f"1/n ({_ERROR} - max({_ERROR} - 1, 0) + max(-{_ERROR} - 1, 0))",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "value": "(SUMXMY2({ys},{ts})-SUMPRODUCT((ABS({ys}-{ts})>1)*(ABS({ys}-{ts})-1)^2))/2",
        "gradient": "MAX(-1,MIN(1,{y}-{t}))",
    }
    code: ClassVar[str | None] = """\
error = {y} - t
inner = np.clip(error, -1, 1)
loss = (inner * (error - inner / 2)).sum() / n
{d} = inner / n
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = by_formula(
        lambda numpy, y, t: _of_errors(numpy.clip(y - t, -1, 1), y - t), "autograd", "jax"
    ) | {
        "torch": lambda torch, y, labels: (
            torch.nn.functional.huber_loss(y, targets_in(torch, y, labels), reduction="sum") / len(y)
        )
    }

    def sample_values(self, y: Array, labels: Array) -> Array:
        """Σ_c of ½ e² or |e| - ½."""
        error = y - self.targets(labels, y)
        size, half = _size(error), y.dtype.type(0.5)
        values: Array = np.where(size <= 1, half * error * error, size - half).sum(axis=1)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """e or ±1, over n."""
        error = y - self.targets(labels, y)
        gradient: Array = np.where(_size(error) <= 1, error, np.sign(error))
        gradient /= y.dtype.type(len(y))
        return gradient


def _size(error: Array) -> Array:
    """|e|; of complex numbers e or -e, whichever has the larger real part."""
    size: Array = np.maximum(error, -error) if error.dtype.kind == "c" else np.abs(error)
    return size


def _of_errors(inner: Any, error: Any) -> Any:
    """The loss in another library, of errors (n, c) and the same cut to -1 and 1."""
    return (inner * (error - inner / 2)).sum() / len(error)

"""The multi-class hinge loss L = 1/n Σₙ Σ_{c ≠ label} max(0, 1 + y[n,c] - y[n,label]), of Weston and Watkins (1999).

    ∂L/∂y[n,c] = 1/n · [1 + y[n,c] - y[n,label] > 0]        for every other class
    ∂L/∂y[n,label] = -Σ of those

The mean is over samples and the sum over the other classes, as in the course CS231n; PyTorch's `MultiMarginLoss`
divides by c, too. The loss of Crammer and Singer, which takes the largest term alone, is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers.base import Margin
from backprop.losses.base import Loss

_GAP = "{y}[n,c] - {y}[n,label] + 1 - t[n,c]"
_CELLS = "{ys}-SUMPRODUCT({ys},{ts})+1-{ts}"


@final
@dataclass(frozen=True)
class Hinge(Loss):
    """1/n Σ max(0, 1 + y - y[n, label]) over the other classes."""

    name: ClassVar[str] = "hinge"
    complex_safe: ClassVar[bool] = True
    smooth: ClassVar[bool] = False
    temporaries: ClassVar[int] = 2
    formulas: ClassVar[Mapping[str, str]] = {
        "value": f"1/n Σn Σc max({_GAP}, 0)",
        "gradient": f"1/n ([{_GAP} > 0] - t[n,c] Σi [{_GAP.replace('n,c', 'n,i')} > 0])",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "value": f"SUMPRODUCT(({_CELLS}>0)*({_CELLS}))",
        "gradient": (f"(IF({{y}}-SUMPRODUCT({{ys}},{{ts}})+1-{{t}}>0,1,0)-{{t}}*SUMPRODUCT(({_CELLS}>0)*1))"),
    }
    code: ClassVar[str | None] = """\
gap = ({y} - {y}[np.arange(n), labels][:, None] + 1) * (1 - t)  # of every other class
loss = np.maximum(gap, 0).sum() / n
inside = (gap > 0).astype({y}.dtype)
{d} = (inside - t * inside.sum(axis=1, keepdims=True)) / n
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, y, labels: _by_labels(autograd.numpy, y, labels),
        "jax": lambda jax, y, labels: _by_labels(jax.numpy, y, labels),
        "torch": lambda torch, y, labels: (
            torch.nn.functional.multi_margin_loss(y, labels.long(), reduction="sum") * y.shape[1] / len(y)
        ),
    }

    def margins(self, y: Array, labels: Array) -> Iterator[Margin]:
        """1 + y - y[label] of the other classes, each of which begins to count where that is 0."""
        others = np.nonzero(np.arange(y.shape[1]) != labels[:, None])[1].reshape(len(y), -1)
        distance = np.take_along_axis(_gaps(y, labels), others, axis=1)
        yield Margin(distance, others, np.broadcast_to(labels[:, None], others.shape))

    def sample_values(self, y: Array, labels: Array) -> Array:
        """Σ max(0, 1 + y - y[label]) over the other classes."""
        values: Array = np.maximum(_gaps(y, labels), 0).sum(axis=1)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """1/n for every class within the margin, and minus their number at the label."""
        gradient: Array = (_gaps(y, labels) > 0).astype(y.dtype)
        gradient[np.arange(len(y)), labels] -= gradient.sum(axis=1)
        gradient /= y.dtype.type(len(y))
        return gradient


def _gaps(y: Array, labels: Array) -> Array:
    """1 + y - y[label] (n, c), and 0 at the label."""
    rows = np.arange(len(y))
    gaps: Array = y - y[rows, labels][:, None] + 1
    gaps[rows, labels] = 0
    return gaps


def _by_labels(numpy: Any, y: Any, labels: Any) -> Any:
    """The loss by another library's functions, of all classes less the label's own term, which is 1."""
    own = y[numpy.arange(len(labels)), labels][:, None]
    return numpy.maximum(y - own + 1, 0.0).sum() / len(y) - 1

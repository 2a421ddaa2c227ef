"""Sigmoid and binary cross-entropy as one loss of the logits, L = 1/n Σₙ Σ_c log(1 + exp(∓z)), - where t is 1.

    ∂L/∂z[n,c] = 1/n · (σ(z[n,c]) - t[n,c])        with t the labels one-hot

Nothing is divided by a probability, and 1 - σ(z) is formed as σ(-z), so that it keeps its digits where it is tiny.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array
from backprop.layers import Sigmoid
from backprop.losses.base import Loss, by_formula, targets_in


@final
@dataclass(frozen=True)
class SigmoidBinaryCrossEntropy(Loss):
    """1/n Σ (log(1 + exp z) - t z), finite for any logits z (n, c)."""

    name: ClassVar[str] = "sigmoid-binary-cross-entropy"
    complex_safe: ClassVar[bool] = True
    binary: ClassVar[bool] = True
    temporaries: ClassVar[int] = 4
    flops_of_layers: ClassVar[int] = Sigmoid.forward_flops_per_element
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "1/n Σn Σi (log(1 + exp {y}[n,i]) - t[n,i] {y}[n,i])",
        "gradient": "1/n (1 / (1 + exp(-{y}[n,i])) - t[n,i])",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "value": "SUMPRODUCT(LN(1+EXP({ys}))-{ts}*{ys})",
        "gradient": "(1/(1+EXP(-{y}))-{t})",
    }
    code: ClassVar[str | None] = """\
p = 1 / (1 + np.exp(-{y}))  # sigmoid
loss = (np.logaddexp(0, {y}) - t * {y}).sum() / n
{d} = (p - t) / n
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = by_formula(
        lambda numpy, y, t: (numpy.logaddexp(0, y) - t * y).sum() / len(y), "autograd", "jax"
    ) | {
        "torch": lambda torch, y, labels: (
            torch.nn.functional.binary_cross_entropy_with_logits(
                y, targets_in(torch, y, labels), reduction="sum"
            )
            / len(y)
        )
    }

    def sample_values(self, y: Array, labels: Array) -> Array:
        """Σ_c log(1 + exp(-s)), where s is z or, where t is 0, -z."""
        off = (1 - 2 * self.targets(labels, y)) * y
        if np.iscomplexobj(y):  # NumPy's logaddexp takes real numbers only
            losses = np.where(off.real > 0, off, 0) + np.log1p(np.exp(np.where(off.real > 0, -off, off)))
        else:
            losses = np.logaddexp(0, off)
        values: Array = losses.sum(axis=1)
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """(σ(z) - t) / n, as ∓σ(∓z)/n."""
        from scipy.special import expit

        sign = 1 - 2 * self.targets(labels, y)
        gradient: Array = sign * expit(sign * y)
        gradient /= y.dtype.type(len(y))
        return gradient

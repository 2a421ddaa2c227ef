"""Softmax and cross-entropy as one loss of the logits, L = 1/n Σₙ (log Σ exp z[n,:] - z[n, label]).

    ∂L/∂z[n,c] = 1/n · (p[n,c] - y[n,c])        with p the softmax of z and y one-hot

Nothing is divided by a probability, so it keeps its digits where one is tiny (Bishop 2006, section 4.3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop.arrays import Array, ufunc_buffer_bytes
from backprop.layers import Softmax
from backprop.losses.base import Loss

_FEW_CLASSES, _MANY_SAMPLES = 64, 16
"""Outside of these transposing takes longer than it saves."""


@final
@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """1/n Σₙ (log Σ exp z - z[n, label]), finite for any logits z (n, c)."""

    name: ClassVar[str] = "softmax-cross-entropy"
    complex_safe: ClassVar[bool] = True
    temporaries: ClassVar[int] = 2
    flops_of_layers: ClassVar[int] = Softmax.flops_per_element
    formulas: ClassVar[Mapping[str, str]] = {
        "value": "1/n Σn (log Σi exp {y}[n,i] - {y}[n,label])",
        "gradient": "1/n (p[n,i] - t[n,i])",
    }
    cells: ClassVar[Mapping[str, str]] = {
        "value": "LN(SUMPRODUCT(EXP({ys}-MAX({ys}))))+MAX({ys})-SUMPRODUCT({ys},{ts})",
        "gradient": "(EXP({y}-MAX({ys}))/SUMPRODUCT(EXP({ys}-MAX({ys})))-{t})",
    }
    code: ClassVar[str | None] = """\
e = np.exp({y} - {y}.max(axis=1, keepdims=True))
p = e / e.sum(axis=1, keepdims=True)  # softmax
loss = -np.mean(np.log(p[np.arange(n), labels]))
{d} = (p - t) / n
"""
    peers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "autograd": lambda autograd, y, labels: autograd.numpy.mean(
            autograd.scipy.special.logsumexp(y, axis=1) - y[autograd.numpy.arange(len(labels)), labels]
        ),
        "jax": lambda jax, y, labels: (
            -jax.numpy.mean(jax.nn.log_softmax(y)[jax.numpy.arange(len(labels)), labels])
        ),
        "torch": lambda torch, y, labels: torch.nn.functional.cross_entropy(y, labels),
    }

    def sample_values(self, y: Array, labels: Array) -> Array:
        """log Σ exp z - z[n, label], with the largest logit, or that of largest real part, subtracted first."""
        shifted = y - y.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        values: Array = log_sum - shifted[np.arange(len(y)), labels]
        return values

    def gradient(self, y: Array, labels: Array) -> Array:
        """(p - y) / n."""
        return self.value_and_gradient(y, labels)[1]

    def value_and_gradient(self, y: Array, labels: Array, *, out: Array | None = None) -> tuple[Any, Array]:
        """The value, and (p - y) / n from the same exponentials."""
        samples, n = np.arange(len(y)), y.dtype.type(len(y))
        by_class = _by_class(*y.shape)
        if by_class:
            axis, at_label, delta = 0, (labels, samples), np.ascontiguousarray(y.T)
            np.subtract(delta, np.maximum.reduce(delta, axis=0), out=delta)
        else:
            axis, at_label = 1, (samples, labels)
            delta = np.subtract(y, np.maximum.reduce(y, axis=1, keepdims=True), out=out)
        shifted = delta[at_label]
        np.exp(delta, out=delta)
        total = np.add.reduce(delta, axis=axis, keepdims=True)
        value = np.add.reduce(np.log(total.reshape(-1)) - shifted) / n  # np.mean takes five times as long
        np.divide(delta, np.multiply(total, n, out=total), out=delta)
        delta[at_label] -= 1 / n
        if by_class:
            delta = np.positive(delta.T, out=out)
        return value, delta

    def in_place_bytes(self, n: int, c: int, itemsize: int) -> int:
        """The transposed logits, four numbers a sample beside them; or what a ufunc broadcasts."""
        return n * (c + 4) * itemsize if _by_class(n, c) else ufunc_buffer_bytes(n * c, itemsize)


def _by_class(n: int, c: int) -> bool:
    """Whether logits (n, c) are transposed: their maximum and sum then go along the samples, which is faster."""
    return c <= _FEW_CLASSES and n >= _MANY_SAMPLES

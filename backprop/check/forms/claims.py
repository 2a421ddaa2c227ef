"""Claims: what the gradient says, here and elsewhere, as rows (m, p)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.budget import Budget
from backprop.check.forms.answers import Answer, read_answer, value_and_gradient
from backprop.check.forms.copies import copied
from backprop.check.forms.tensors import Form


@dataclass(frozen=True)
class Claims:
    """rows (m, p): the gradient or Jacobian, NaN where a tensor cannot be compared. names: of those that can be."""

    rows: Array
    names: tuple[str, ...]


def claims_of(answer: Answer, form: Form, outputs: tuple[int, ...]) -> Claims:
    """The tensors that can be compared, side by side."""
    m = int(np.prod(outputs, dtype=int))
    rows = np.full((m, form.size), np.nan, form.dtype)
    tensors = {**answer.tensors, **answer.reshaped}
    for name, places in form.views(np.arange(form.size)).items():
        if name in tensors:
            rows[:, places.reshape(-1)] = tensors[name].reshape(m, -1)
    return Claims(rows, tuple(name for name in form.names if name in tensors))


@dataclass
class Claimant:
    """A gradient that can be asked at other points, or in a wider dtype (`wide`), where it need not work."""

    gradient: Callable[[Any], Any]
    form: Form
    outputs: tuple[int, ...]
    budget: Budget
    wide: bool = False
    calls: int = 0

    def at(self, point: Array) -> tuple[Claims, Answer] | None:
        """What it says at a point (p,); None where it raises, gives no gradient, or no calls are left."""
        if not self.budget.room(1):
            return None
        self.calls += 1
        self.budget.used += 1
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                raw = self.gradient(self.form.build(point, self.form.dtype if self.wide else None))
            answer = read_answer(
                value_and_gradient(copied(raw), self.form)[1], self.form, outputs=self.outputs
            )
        except Exception:  # of whatever kind: it is the user's
            return None
        return claims_of(answer, self.form, self.outputs), answer

    def tensors(self, point: Array) -> dict[str, Array] | None:
        """The tensors that it gives at a point (p,); None where it gives none."""
        other = self.at(point)
        return None if other is None else {**other[1].tensors, **other[1].reshaped}

    def rows(self, point: Array) -> Array | None:
        """The rows (m, p) that it gives at a point (p,); None where it gives none."""
        other = self.at(point)
        return None if other is None else other[0].rows

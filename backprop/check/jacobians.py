"""Large Jacobians, dense, sparse or as linear operators: compared along random combinations of the function's values.

    F(x) = w f(x),    dF/dx = w J          w (k, m): k combinations of the m values

A mistake in any entry of J is one in its column of w J, but for a chance of measure zero. So a Jacobian of a thousand
values by a thousand parameters is checked as one of eight values, and never written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.leaves import to_numpy
from backprop.check.numeric.directions import random_weights
from backprop.check.result import Entry
from backprop.check.trees import mapped

_COMBINATIONS = 8
_LARGE = 50_000
"""Entries of a Jacobian that is compared along combinations."""
_EQUATIONS, _SAME = 4, 1e-6
"""Combinations that one wrong entry must explain at least, and how well, of the largest."""
_BLOCK = 64
"""Columns of a linear operator that are formed at a time, where it has no adjoint."""


def is_large(jacobian: Any) -> bool:
    """Whether a part of a Jacobian has so many entries."""
    return hasattr(jacobian, "shape") and int(np.prod(jacobian.shape, dtype=np.int64)) > _LARGE


@dataclass(frozen=True)
class Combinations:
    """Weights (k, m) of the m values of a function."""

    weights: Array

    @classmethod
    def drawn(cls, values: int, rng: np.random.Generator) -> Combinations:
        """Random ones, between a half and one and a half, of either sign."""
        return cls(random_weights((_COMBINATIONS, values), rng))

    @property
    def note(self) -> str:
        """The sentence that says what was compared."""
        count, values = self.weights.shape
        return f"The function has {values} values: {count} random combinations of them were compared."

    def single_entry(self, name: str, worst: Sequence[Entry], part: Any) -> Finding | str | None:
        """What is wrong with one entry of a Jacobian, where it explains all of the `worst` of a tensor.

        Entry (r, c) is off by d where combination k of column c is off by d w[k, r], for every k. An entry that is 0
        in `part`, the Jacobian by this tensor where it was found, is a finding, any other one a sentence.
        """
        columns = {each.index[1:] for each in worst}
        if len(columns) != 1 or len(worst) < _EQUATIONS:
            return None
        off = np.array([each.got - each.expected for each in worst])
        weights = self.weights[[each.index[0] for each in worst]]
        size = off @ weights / np.sum(weights**2, 0)
        left = np.max(np.abs(off[:, None] - size * weights), 0)
        (rows,) = np.nonzero(left <= _SAME * np.max(np.abs(off)))
        if len(rows) != 1:
            return None
        row, column = int(rows[0]), columns.pop()
        which = f"the derivative by {name}[{', '.join(map(str, column))}] alone is"
        if part is not None and _entry(part, row, column, self.weights.shape[1]) == 0:
            seen = f"Of value {row} {which} 0, and should be {-size[row]:.6g}."
            return found("entries-left-out", name, seen)
        return f"{name}: of value {row} {which} wrong: it is off by {size[row]:.6g}."

    def after(self, function: Callable[[Any], Any], change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function whose answer is changed."""
        return lambda point: change(function(point))

    def of(self, value: Any) -> Array:
        """The combinations (k,) of values."""
        values = to_numpy(value).reshape(-1)
        return np.asarray(np.einsum("km,m->k", self.weights, values))  # too little for the threads of BLAS

    def of_jacobian(self, jacobian: Any) -> Any:
        """The combinations (k, …) of every part of a Jacobian; a part of another number of values stays."""
        return mapped(self._of_part, jacobian)

    def _of_part(self, part: Any) -> Any:
        shape = getattr(part, "shape", ())
        count, rows = 0, self.weights.shape[1]
        axes = next((k for k in range(1, len(shape) + 1) if (count := int(np.prod(shape[:k]))) >= rows), 0)
        if count != rows:
            return part
        if hasattr(part, "rmatmat"):
            return _of_operator(part, self.weights)
        if not hasattr(part, "toarray"):
            part = to_numpy(part).reshape(rows, -1)
        return np.asarray((part.T @ self.weights.T).T).reshape(-1, *shape[axes:])


def _entry(part: Any, row: int, column: tuple[int, ...], values: int) -> float:
    """One entry of a Jacobian, whatever it is."""
    if hasattr(part, "toarray") or hasattr(part, "matvec"):
        unit = np.zeros(part.shape[1])
        unit[column] = 1
        return float((part @ unit)[row])
    dense = to_numpy(part)
    return float(dense.reshape(values, *dense.shape[dense.ndim - len(column) :])[(row, *column)])


def _of_operator(operator: Any, weights: Array) -> Array:
    """The combinations (k, p) of the rows of a linear operator (m, p), by its adjoint or else column by column."""
    try:
        return np.asarray(operator.rmatmat(weights.T)).T.conj()
    except (NotImplementedError, TypeError):  # it has none
        width = operator.shape[1]
        blocks = [
            weights @ operator.matmat(np.eye(width, min(_BLOCK, width - start), -start))
            for start in range(0, width, _BLOCK)
        ]
        return np.concatenate(blocks, axis=1)

"""Numbers, small and aligned: arrays as tables of short texts, in which exact zeros are dots.

An array of more than two axes is a list of matrices, one for every sample; what is left of its axes is the
rows, its second, and the columns, all others.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array

ZERO = "·"


class Matrix(NamedTuple):
    """One matrix to print: its caption ("n=0" or ""), the columns' heads, the rows' heads, the cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def matrices(array: Array, letters: str) -> list[Matrix]:
    """The array as matrices of texts, which share their number of decimals."""
    texts = _texts(array)
    if array.ndim < 2:
        column = np.atleast_1d(texts)[None, :]
        heads = _heads(letters, column.shape[1:]) if array.ndim else ("",)
        return [_matrix("", heads, ("",), column)]
    if array.ndim == 2:
        rows, columns = (_heads(letters[k], array.shape[k : k + 1]) for k in (0, 1))
        return [_matrix("", columns, rows, texts)]
    rows, columns = _heads(letters[1], array.shape[1:2]), _heads(letters[2:], array.shape[2:])
    return [
        _matrix(f"{letters[0]}={k}", columns, rows, texts[k].reshape(len(rows), len(columns)))
        for k in range(len(array))
    ]


def bytes_text(count: int) -> str:
    """Bytes in words: 96 B, 1.5 kB."""
    return f"{count} B" if count < 1000 else f"{count / 1000:.3g} kB"


def _matrix(caption: str, columns: tuple[str, ...], rows: tuple[str, ...], texts: Array) -> Matrix:
    return Matrix(caption, columns, rows, tuple(tuple(str(text) for text in row) for row in texts))


def _heads(letters: str, sizes: tuple[int, ...]) -> tuple[str, ...]:
    """i=0 … for one axis; 0,0 … under "i,o" for several."""
    if len(sizes) == 1:
        return tuple(f"{letters}={k}" for k in range(sizes[0]))
    return tuple(",".join(map(str, index)) for index in itertools.product(*map(range, sizes)))


def _texts(array: Array) -> Array:
    """Every number with three decimals, or in scientific notation where that would hide a digit that counts."""
    finite = np.abs(array[np.isfinite(array) & (array != 0)].astype(float))
    scientific = finite.size > 0 and (finite.max() >= 1e4 or finite.max() < 1e-2)
    whole = bool(np.all(array == np.round(array))) and not scientific

    def text(value: float) -> str:
        if value == 0:
            return ZERO
        return f"{value:.2e}" if scientific else f"{value:.0f}" if whole else f"{value:.3f}"

    return np.array([text(float(value)) for value in array.reshape(-1)], dtype=object).reshape(array.shape)

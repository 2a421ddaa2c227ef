"""Numbers, small and aligned: arrays as tables of short texts, in which exact zeros are dots.

An array of more than two axes is a list of matrices, one for every sample: its second axis gives the rows, all other
axes give the columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
        columns = heads(letters, column.shape[1:]) if array.ndim else ("",)
        return [_matrix("", columns, ("",), column)]
    if array.ndim == 2:
        rows, columns = (heads(letters[k], array.shape[k : k + 1]) for k in (0, 1))
        return [_matrix("", columns, rows, texts)]
    rows, columns = heads(letters[1], array.shape[1:2]), heads(letters[2:], array.shape[2:])
    several = f"  {','.join(primed(letters)[2:])}:" if array.ndim > 3 else ""
    return [
        _matrix(f"{letters[0]}={k}{several}", columns, rows, texts[k].reshape(len(rows), len(columns)))
        for k in range(len(array))
    ]


def primed(letters: str) -> list[str]:
    """The letters one by one; one that comes again is another index over the same axis: o, then o′."""
    return [letter + "′" * letters[:k].count(letter) for k, letter in enumerate(letters)]


def _matrix(caption: str, columns: tuple[str, ...], rows: tuple[str, ...], texts: Array) -> Matrix:
    return Matrix(caption, columns, rows, tuple(tuple(str(text) for text in row) for row in texts))


def heads(letters: str, sizes: tuple[int, ...]) -> tuple[str, ...]:
    """i=0 … for one axis; 0,0 … for several."""
    if len(sizes) == 1:
        return tuple(f"{letters}={k}" for k in range(sizes[0]))
    return tuple(",".join(map(str, index)) for index in itertools.product(*map(range, sizes)))


def _texts(array: Array) -> Array:
    """Every number with as many decimals as the array needs, three at most, or in scientific notation."""
    numbers = array.astype(float)
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    scientific = sizes.size > 0 and (sizes.max() >= 1e4 or sizes.max() < 1e-2)
    decimals = next((k for k in range(3) if np.allclose(numbers, numbers.round(k), 0, 1e-12, True)), 3)
    style = ".2e" if scientific else f".{decimals}f"
    texts = [ZERO if value == 0 else f"{value:{style}}" for value in numbers.reshape(-1)]
    return np.array(texts, dtype=object).reshape(array.shape)


def aligned(matrix: Matrix, width: int | None = None) -> list[str]:
    """The matrix as lines, every column as wide as it must be; rows without heads have no column for them.

    Where the lines would be longer than `width`, further columns stand below the first ones, with the heads again.
    """
    head = [matrix.caption, *matrix.columns]
    body = [[name, *row] for name, row in zip(matrix.rows, matrix.cells, strict=True)]
    table = [head, *body] if any(head) else body
    first, *others = (list(column) for column in zip(*table, strict=True))
    heads = [[cell.ljust(max(map(len, first))) for cell in first]] if any(first) else []
    columns = [[cell.rjust(max(map(len, column))) for cell in column] for column in others]
    return [
        " ".join(row).rstrip() for part in _folded(heads, columns, width) for row in zip(*part, strict=True)
    ]


def _folded(heads: list[list[str]], columns: list[list[str]], width: int | None) -> Iterator[list[list[str]]]:
    """The columns in groups that fit into the width, each with the heads before it; a group has at least one."""
    group: list[list[str]] = []
    for column in columns:
        wide = sum(len(one[0]) + 1 for one in [*heads, *group, column]) - 1
        if group and width is not None and wide > width:
            yield [*heads, *group]
            group = []
        group.append(column)
    yield [*heads, *group]

"""Local Jacobians as sparse arrays of SciPy: the letters of an einsum factor tell where its numbers stand.

In rows they stand by the letters of the outputs, in columns by those of the result. Where the numbers of a ∂y/∂θ
stand is found once, and the numbers are renewed; a row vector is multiplied with a ∂y/∂x at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import UnsupportedError
from backprop.layers import EinsumFactor


class Axes(NamedTuple):
    """The axes of a ∂y/∂θ, by letter with their sizes: of the columns, which are θ, and of the rows, the outputs.

    A number stands in every column and for every axis of the outputs that the columns lack.
    """

    columns: dict[str, int]
    outputs: dict[str, int]

    @classmethod
    def of(cls, factor: EinsumFactor, o: int) -> Axes:
        """Those of the ∂y/∂θ that the factor is, with o outputs."""
        outputs, known = _sizes(factor, o)
        letters = factor.result or ("io" if "i" in factor.subscripts else "o")
        return cls({letter: known[letter] for letter in letters}, outputs)

    def by_column(self, samples: int) -> dict[str, int]:
        """The axes of the numbers as scipy keeps them: column by column, in each by sample and the other axes."""
        others = {letter: size for letter, size in self.outputs.items() if letter not in self.columns}
        return self.columns | {"n": samples} | others


def _sizes(factor: EinsumFactor, o: int) -> tuple[dict[str, int], dict[str, int]]:
    """The size of every axis of the outputs by letter, and of every axis."""
    outputs = dict(zip(factor.outputs, factor.shape or (o,), strict=True))
    return outputs, outputs | dict(zip(factor.subscripts, factor.operand.shape, strict=True))


def structure(samples: int, axes: Axes, dtype: DType) -> Any:
    """The structure of ∂y/∂θ (n·o, size of θ) without its numbers, column by column.

    A column has a number in the rows of every sample, at all of its outputs: x ⊗ I of a linear layer one a sample.
    """
    from scipy import sparse

    o = math.prod(axes.outputs.values())
    sizes = axes.by_column(samples)
    places = np.arange(samples * o, dtype=np.int32).reshape(samples, *axes.outputs.values())
    rows = np.empty([*sizes.values()], np.int32)
    rows[...] = _arranged(places, ["n", *axes.outputs], [*sizes])
    columns = math.prod(axes.columns.values())
    starts = np.arange(0, rows.size + 1, rows.size // columns, dtype=np.int32)
    numbers = np.zeros(rows.size, dtype)
    return sparse.csc_array((numbers, rows.reshape(-1), starts), shape=(samples * o, columns))


def renew(jacobian: Any, factor: EinsumFactor, axes: Axes, samples: int) -> None:
    """Write the numbers of a factor, the same wherever it lacks an axis. A block may have fewer samples."""
    sizes = axes.by_column(jacobian.shape[0] // math.prod(axes.outputs.values()))
    numbers = np.moveaxis(
        jacobian.data.reshape(*sizes.values()), len(axes.columns), 0
    )  # a view, samples first
    numbers[samples:] = 0
    given = _arranged(factor.operand, factor.subscripts, [*sizes])
    numbers[:samples] = np.moveaxis(given, len(axes.columns), 0)


def _arranged(array: Array, letters: Sequence[str], order: Sequence[str]) -> Array:
    """A view of the array with its axes in that order, and axes of one for the letters that it lacks."""
    view = array.transpose([letters.index(letter) for letter in order if letter in letters])
    return view[tuple(slice(None) if letter in letters else None for letter in order)]


def chain(row: Array, factor: EinsumFactor, i: int) -> Array:
    """dL/dx (n, i) = dL/dy · ∂y/∂x for all samples."""
    from scipy import sparse

    if factor.through is not None:
        row = chain(row, factor.through, factor.entered)
    n, operand = len(row), factor.operand
    if factor.result is not None:
        return _by_letters(row, factor, i)
    if factor.subscripts == "io":  # 1ₙ ⊗ Wᵀ, whose one block is not sparse
        dense: Array = row @ operand.T
        return dense
    if factor.subscripts == "no":  # a diagonal is its own transpose, which scipy would make anew
        slopes: Any = operand.astype(row.dtype).reshape(1, -1)
        chained: Array = sparse.dia_array((slopes, [0]), shape=(row.size, row.size)) @ row.reshape(-1)
    elif factor.subscripts == "noi":  # a dense block for every sample
        chained = row.reshape(-1) @ sparse.bsr_array((operand, np.arange(n), np.arange(n + 1)))
    else:
        raise UnsupportedError(
            f"A Jacobian has the axes {factor.subscripts!r}; expected io, no or noi, whose sparse structure is known."
        )
    return chained.reshape(n, -1)


def _by_letters(row: Array, factor: EinsumFactor, i: int) -> Array:
    """The same of a factor whose letters, or `inputs`, say where its numbers stand: every row of ∂y/∂x has as many.

    One more column, for none, takes those that belong to no input. Where the factor is the same for all samples, its
    matrix (o, i) is stored once; else there is a row for every sample and output.
    """
    from scipy import sparse

    assert factor.result is not None
    outputs, known = _sizes(factor, row.shape[1])
    inputs = factor.inputs
    if inputs is None:
        inputs = np.arange(i).reshape([known[letter] for letter in factor.result])
    made = dict(zip(factor.result, inputs.shape, strict=True))
    window = {letter: size for letter, size in made.items() if letter not in outputs}
    samples = {"n": len(row)} if "n" in factor.subscripts else {}
    axes = samples | outputs | window
    order, shape = [*axes], tuple(axes.values())
    columns = np.empty(shape, np.int32)
    columns[...] = _arranged(inputs, [*made], order)
    blocks = math.prod(samples.values())
    columns.reshape(blocks, -1)[...] += np.arange(blocks, dtype=np.int32)[:, None] * (i + 1)
    numbers = np.empty(shape, row.dtype)
    numbers[...] = _arranged(factor.operand, factor.subscripts, order)
    rows, entries = blocks * math.prod(outputs.values()), math.prod(window.values())
    starts = np.arange(0, rows * entries + 1, entries, dtype=np.int32)
    matrix = sparse.csr_array(
        (numbers.reshape(-1), columns.reshape(-1), starts), shape=(rows, blocks * (i + 1))
    )
    chained: Array = row.reshape(-1, rows) @ matrix
    return chained.reshape(len(row), -1)[:, :i]

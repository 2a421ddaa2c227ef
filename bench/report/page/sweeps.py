"""What a chart against size is drawn from: cells that differ in one size, one set after another.

Width, batch and depth are swept alone, as the exponents are fitted; beside them stand all networks of one batch
size and dtype, against their parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.record import MEASURED
from bench.report.frame import tuples
from bench.report.scaling import FIXED, Exponent, with_shapes

KEYS = ("batch_size", "dtype", "threads")
LABELS = {
    "parameters": "parameters p",
    "batch": "samples of the batch n",
    "width": "width of the hidden layers",
    "depth": "hidden layers",
}


@dataclass(frozen=True)
class Sweep:
    """Cells by their position in the frame, with the size of each. fitted: by strategy, the exponents in words."""

    label: str
    swept: str
    cells: tuple[int, ...]
    sizes: tuple[int, ...]
    fitted: dict[str, str]


def sweeps(frame: pd.DataFrame, exponents: list[Exponent]) -> list[Sweep]:
    """Every sweep with two sizes or more, those with most cells first; predicted cells are in them, too."""
    cells = frame.reset_index(drop=True)
    right = (cells.status == "ok") & cells.time_median_s.notna()
    cells = cells[right | ~cells.status.isin(MEASURED) & cells.predicted_time_s.notna()]
    found = [*_over_networks(cells), *_of_one_size(with_shapes(cells), exponents)]
    return sorted(found, key=lambda sweep: -len(sweep.cells))


def _over_networks(cells: pd.DataFrame) -> Iterator[Sweep]:
    for (n, dtype, threads, _), own in cells.groupby([*KEYS, cells.cpu.fillna("")], sort=False):
        label = f"all networks, batch {n}, {dtype}{_threads(int(str(threads)))}"
        yield from _sweep(label, "parameters", own, own.parameters, {})


def _of_one_size(cells: pd.DataFrame, exponents: list[Exponent]) -> Iterator[Sweep]:
    for swept, fixed in FIXED.items():
        keys = [(*fixed(shape), shape.rest) for shape in tuples(cells)]
        for _, own in cells.groupby(pd.Series(keys, index=cells.index, dtype=object), sort=False):
            first = next(tuples(own))
            batch = "" if swept == "batch" else f", batch {first.batch_size}"
            label = f"{swept}, {_shape(first, swept)}{batch}, {first.dtype}{_threads(first.threads)}"
            yield from _sweep(label, swept, own, own[swept], _fitted(own, swept, exponents))


def _sweep(
    label: str, swept: str, cells: pd.DataFrame, sizes: pd.Series, fitted: dict[str, str]
) -> Iterator[Sweep]:
    if sizes.nunique() > 1:
        yield Sweep(label, swept, tuple(map(int, cells.index)), tuple(map(int, sizes)), fitted)


def _shape(cell: Any, swept: str) -> str:
    """784-h-10 where the width is swept, 196-64-…-10 where the depth is."""
    if swept == "depth":
        return f"{cell.inputs}-{cell.width}-…-{cell.outputs}"
    width = "h" if swept == "width" else str(cell.width)
    return "-".join([str(cell.inputs), *[width] * cell.depth, str(cell.outputs)])


def _threads(count: int) -> str:
    return "" if count == 1 else f", {count} threads"


def _fitted(cells: pd.DataFrame, swept: str, exponents: list[Exponent]) -> dict[str, str]:
    """By strategy: time ~ size^0.93, memory ~ size^1.00, where they were fitted to these cells."""
    words: dict[str, list[str]] = {}
    where = set(map(int, cells.index))
    for one in exponents:
        if one.swept == swept and set(one.cells) <= where:
            words.setdefault(one.strategy, []).append(f"{one.quantity} ~ size^{one.measured.value:.2f}")
    return {strategy: ", ".join(found) for strategy, found in words.items()}

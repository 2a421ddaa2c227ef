"""What a chart against size is drawn from: cells that differ in one size, one set after another.

Width, batch and depth are swept alone, as the exponents are fitted; beside them stand all networks of one batch
size and dtype, against their parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backprop.bench.record import MEASURED
from backprop.bench.report.frame import tuples
from backprop.bench.report.scaling import FIXED, Exponent, with_shapes

LABELS = {
    "parameters": "parameters p",
    "batch": "samples of the batch n",
    "width": "width of the hidden layers",
    "depth": "hidden layers",
}


Groups = dict[tuple[Any, ...], list[Any]]


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
    groups: Groups = {}
    for cell in tuples(cells):
        key = (cell.batch_size, cell.dtype, cell.threads, cell.cpu if isinstance(cell.cpu, str) else "")
        groups.setdefault(key, []).append(cell)
    for own in groups.values():
        first = own[0]
        label = f"all networks, batch {first.batch_size}, {first.dtype}{_threads(first.threads)}"
        yield from _sweep(label, "parameters", own, {})


def _of_one_size(cells: pd.DataFrame, exponents: list[Exponent]) -> Iterator[Sweep]:
    shaped = list(tuples(cells))
    for swept, fixed in FIXED.items():
        groups: Groups = {}
        for cell in shaped:
            groups.setdefault((*fixed(cell), cell.rest), []).append(cell)
        for own in groups.values():
            first = own[0]
            batch = "" if swept == "batch" else f", batch {first.batch_size}"
            label = f"{swept}, {_shape(first, swept)}{batch}, {first.dtype}{_threads(first.threads)}"
            yield from _sweep(label, swept, own, _fitted(own, swept, exponents))


def _sweep(label: str, swept: str, cells: Sequence[Any], fitted: dict[str, str]) -> Iterator[Sweep]:
    sizes = tuple(int(getattr(cell, swept)) for cell in cells)
    if len(set(sizes)) > 1:
        yield Sweep(label, swept, tuple(int(cell.Index) for cell in cells), sizes, fitted)


def _shape(cell: Any, swept: str) -> str:
    """784-h-10 where the width is swept, 196-64-…-10 where the depth is."""
    if swept == "depth":
        return f"{cell.inputs}-{cell.width}-…-{cell.outputs}"
    width = "h" if swept == "width" else str(cell.width)
    return "-".join([str(cell.inputs), *[width] * cell.depth, str(cell.outputs)])


def _threads(count: int) -> str:
    return "" if count == 1 else f", {count} threads"


def _fitted(cells: Sequence[Any], swept: str, exponents: list[Exponent]) -> dict[str, str]:
    """By strategy: time ~ size^0.93, memory ~ size^1.00, where they were fitted to these cells."""
    words: dict[str, list[str]] = {}
    where = {int(cell.Index) for cell in cells}
    for one in exponents:
        if one.swept == swept and set(one.cells) <= where:
            words.setdefault(one.strategy, []).append(f"{one.quantity} ~ size^{one.measured.value:z.2f}")
    return {strategy: ", ".join(found) for strategy, found in words.items()}

"""The tables of the page: a cell has the text that is read, and the number that it is sorted by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backprop.bench.record import MEASURED
from backprop.bench.report import units
from backprop.bench.report.frame import tuples

MOST_ROWS = 2000
"""Rows of one table: more would make the page larger than 3 MB; results.csv has them all."""


@dataclass(frozen=True)
class Cell:
    """A text, what it is sorted by (None: last), and a smaller text below it."""

    text: str
    key: float | str | None = None
    note: str = ""

    @property
    def sort(self) -> str:
        """The key as an attribute."""
        return "" if self.key is None else f"{self.key:.6g}" if isinstance(self.key, float) else self.key


@dataclass(frozen=True)
class Row:
    """A line: what it is about, and its cells. The keys are what a filter looks at."""

    name: str
    scenario: str
    dtype: str
    status: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Headers, whether each is of numbers, and rows; how many rows had no room."""

    headers: tuple[tuple[str, bool], ...]
    rows: tuple[Row, ...]
    dropped: int = 0


_RANKED = (
    ("strategy", False),
    ("rank", True),
    ("scenario", False),
    ("dtype", False),
    ("time", True),
    ("÷ short form", True),
    ("÷ loss", True),
    ("memory", True),
    ("error", True),
    ("tolerance", True),
    ("accuracy", True),
    ("status", False),
)
_LEFT_OUT = (
    ("strategy", False),
    ("scenario", False),
    ("dtype", False),
    ("status", False),
    ("reason", False),
    ("predicted time", True),
    ("predicted memory", True),
    ("forward passes", True),
)


def ranked_table(frame: pd.DataFrame) -> Table:
    """Every cell, scenario by scenario: right ones by time, then wrong ones, then those that did not run."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for cell in tuples(frame):
        groups.setdefault((cell.scenario, cell.dtype), []).append(cell)
    rows: list[Row] = []
    for cells in groups.values():
        cells.sort(key=_order)
        short = [cell.time_median_s for cell in cells if cell.strategy == "short-form"]
        unit = float(short[0]) if short else math.nan
        rows += [_ranked_row(cell, unit) for cell in cells]
    return _cut(_RANKED, rows)


def left_out_table(frame: pd.DataFrame) -> Table:
    """The cells without figures: the reason in words, and what they would need."""
    rows = [
        _row(
            cell,
            Cell(cell.status, cell.status),
            Cell(cell.reason, cell.reason),
            _number(cell.predicted_time_s, units.seconds),
            _number(cell.predicted_peak_bytes, units.data_size),
            _number(cell.forward_calls, units.count),
        )
        for cell in tuples(frame[~frame.status.isin(MEASURED)])
    ]
    return _cut(_LEFT_OUT, rows)


def _order(cell: Any) -> tuple[float, ...]:
    """Right cells by time, then wrong ones, then what did not run by its prediction; what is missing last."""
    times = (cell.time_median_s, cell.predicted_time_s)
    return {"ok": 0.0, "disagrees": 1.0}.get(cell.status, 2.0), *(
        math.inf if pd.isna(t) else t for t in times
    )


def _ranked_row(cell: Any, unit: float) -> Row:
    """The cells of a row; `unit` is the time of the short form, for the ratio of what is predicted."""
    ratio_note = interval(cell.ratio_low, cell.ratio_high, units.ratio)
    if cell.status in MEASURED:
        time = _number(
            cell.time_median_s, units.seconds, interval(cell.time_low_s, cell.time_high_s, units.seconds)
        )
        memory = _number(cell.peak_bytes, units.data_size)
        ratio = _number(cell.ratio_to_short_form, units.ratio, ratio_note)
    else:
        time = _predicted(cell.predicted_time_s, units.seconds)
        memory = _predicted(cell.predicted_peak_bytes, units.data_size)
        ratio = _predicted(cell.predicted_time_s / unit, units.ratio)
    return _row(
        cell,
        time,
        ratio,
        _number(cell.ratio_to_loss, units.ratio),
        memory,
        _number(cell.gradient_error, units.error),
        _number(cell.tolerance, units.error),
        _number(cell.test_accuracy, units.percent),
        Cell(cell.status, cell.status, str(cell.unstable or "") and "unstable: " + str(cell.unstable)),
        first=_rank(cell),
    )


def _rank(cell: Any) -> Cell:
    """Sorted by the best rank that the cell may have, then by the worst."""
    text = units.rank(cell.rank_best, cell.rank_worst)
    return Cell(text, float(cell.rank_best) + float(cell.rank_worst) / 1e4 if text else None)


def _row(cell: Any, *cells: Cell, first: Cell | None = None) -> Row:
    lead = () if first is None else (first,)
    place = (Cell(cell.scenario, cell.scenario), Cell(cell.dtype, cell.dtype))
    return Row(
        str(cell.strategy), str(cell.scenario), str(cell.dtype), str(cell.status), (*lead, *place, *cells)
    )


def _number(value: Any, words: Any, note: str = "") -> Cell:
    if pd.isna(value) or not math.isfinite(value):
        return Cell(units.MISSING)
    return Cell(words(value), float(value), note)


def _predicted(value: Any, words: Any) -> Cell:
    cell = _number(value, words)
    return cell if cell.key is None else Cell("≈ " + cell.text, cell.key)


def interval(low: Any, high: Any, words: Any) -> str:
    """1.57x to 1.62x; nothing where there is no interval."""
    return "" if pd.isna(low) or pd.isna(high) else f"{words(low)} to {words(high)}"


def _cut(headers: tuple[tuple[str, bool], ...], rows: list[Row]) -> Table:
    return Table(headers, tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))

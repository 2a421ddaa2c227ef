"""The tables of the suite `layers` in docs/figures.md: the short form beside libraries, and every strategy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from backprop import units
from backprop.bench.record import by_scenario
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import is_predicted, ran

_EVERY_RUNG = 8
"""The batch at which every strategy was measured."""


def networks(frame: pd.DataFrame) -> str:
    """A row for each network and batch: the short form's time, and every other strategy's as a multiple of it."""
    whole = frame[frame.batch_size != _EVERY_RUNG]
    measured = whole[whole.time_median_s.notna()].strategy
    others = [name for name in dict.fromkeys(measured) if name != "short-form"]
    rows = []
    for (scenario, _), cells in by_scenario(tuples(whole)).items():
        known, _, batch = scenario.rpartition("-")
        found = {cell.strategy: cell for cell in cells}
        short = found["short-form"]
        row = {"network": f"`{known}`", "batch": batch, "`short-form`": units.seconds(short.time_median_s)}
        row |= {f"`{name}`": _times(found.get(name)) for name in others}
        row["memory"] = units.data_size(short.peak_bytes)
        row["÷ predicted"] = units.small_ratio(float(short.peak_bytes) / float(short.predicted_peak_bytes))
        rows.append(row)
    return markdown_table(rows)


def rungs(frame: pd.DataFrame) -> str:
    """A row for each strategy: its time and memory by network, as multiples of the short form's."""
    small = frame[frame.batch_size == _EVERY_RUNG]
    rows: dict[str, dict[str, str]] = {}
    for (scenario, _), cells in by_scenario(tuples(small)).items():
        short = next(cell for cell in cells if cell.strategy == "short-form")
        for cell in cells:
            row = rows.setdefault(cell.strategy, {"strategy": f"`{cell.strategy}`"})
            row[f"`{scenario.rpartition('-')[0]}`"] = ", ".join(_time_and_memory(cell, short))
    return markdown_table(rows.values())


def _times(cell: Any | None) -> str:
    return units.ratio(cell.ratio_to_short_form) if cell is not None and ran(cell) else units.MISSING


def _time_and_memory(cell: Any, short: Any) -> Iterator[str]:
    if is_predicted(cell):
        yield f"≈ {units.ratio(float(cell.predicted_time_s) / float(short.time_median_s))}"
    elif ran(cell):
        yield units.ratio(cell.ratio_to_short_form)
        yield units.ratio(float(cell.peak_bytes) / float(short.peak_bytes))
    else:
        yield str(cell.status)

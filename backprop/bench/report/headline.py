"""The table of README: one scenario, what every strategy costs there against the short form.

A cell that did not fit its budget is in the table with what was predicted for it, and marked as predicted.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import HEADLINE


def headline_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The right or predicted cells of README's scenario, the cheapest first, with a column `ratio`.

    Empty where the run does not hold the scenario, or not its short form.
    """
    cells = frame[(frame.scenario == HEADLINE[0]) & (frame.dtype == HEADLINE[1])]
    short = cells[(cells.strategy == "short-form") & cells.time_median_s.notna()]
    shown = cells.status.isin(["ok", "over-time-budget", "over-memory-budget"])
    if short.empty:
        return cells[:0].assign(ratio=pd.Series(dtype=float))
    predicted = cells.predicted_time_s / short.time_median_s.iloc[0]
    cells = cells.assign(ratio=cells.ratio_to_short_form.fillna(predicted))[shown]
    return cells.sort_values("ratio", kind="stable")


def headline_table(frame: pd.DataFrame) -> str:
    """Strategy, time, ratio, memory, error: a Markdown table."""
    return markdown_table(map(_row, tuples(headline_cells(frame))))


def _row(cell: Any) -> dict[str, str]:
    ran = cell.status == "ok"
    about = "" if ran else "≈ "
    error = ("an estimate: " if cell.tolerance >= 1 else "") + units.error(cell.gradient_error)
    return {
        "strategy": f"`{cell.strategy}`",
        "time of one gradient": about + units.seconds(cell.time_median_s if ran else cell.predicted_time_s),
        "÷ short form": about + units.ratio(cell.ratio),
        "noise floor": units.factor(cell.noise_floor),
        "memory": about + units.data_size(cell.peak_bytes if ran else cell.predicted_peak_bytes),
        "error": error if ran else "not run: " + cell.status.replace("-", " "),
    }

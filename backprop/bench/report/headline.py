"""The headline: one scenario as one table and one picture, what every derivation costs against the short form.

A cell that did not fit its budget is in both, with what was predicted for it, and marked as predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.style import COLOURS, PREDICTED, drawing, files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCENARIO = ("mnist-32", "float64")
NAME = "headline"
"""Of the picture's files, without .svg and .pdf."""


def headline_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The right or predicted cells of the headline's scenario, the cheapest first, with a column `ratio`.

    Empty where the run does not hold the scenario, or not its short form.
    """
    cells = frame[(frame.scenario == SCENARIO[0]) & (frame.dtype == SCENARIO[1])]
    short = cells[(cells.strategy == "short-form") & cells.time_median_s.notna()]
    shown = cells.status.isin(["ok", "over-time-budget", "over-memory-budget"])
    if short.empty:
        return cells[:0].assign(ratio=pd.Series(dtype=float))
    predicted = cells.predicted_time_s / short.time_median_s.iloc[0]
    cells = cells.assign(ratio=cells.ratio_to_short_form.fillna(predicted))[shown]
    return cells.sort_values("ratio", kind="stable")


def headline_table(frame: pd.DataFrame) -> str:
    """Strategy, time, ratio, memory, error: a Markdown table."""
    rows = []
    for cell in tuples(headline_cells(frame)):
        ran = cell.status == "ok"
        about = "" if ran else "≈ "
        rows.append(
            {
                "strategy": f"`{cell.strategy}`",
                "time of one gradient": about
                + units.seconds(cell.time_median_s if ran else cell.predicted_time_s),
                "÷ short form": about + units.ratio(cell.ratio),
                "noise floor": units.factor(cell.noise_floor),
                "memory": about + units.data_size(cell.peak_bytes if ran else cell.predicted_peak_bytes),
                "error": _error(cell) if ran else "not run: " + cell.status.replace("-", " "),
            }
        )
    return markdown_table(rows)


def _error(cell: Any) -> str:
    """The error; of an estimate that decides nothing it is said to be one."""
    return ("an estimate: " if cell.tolerance >= 1 else "") + units.error(cell.gradient_error)


def draw_headline(frame: pd.DataFrame) -> dict[str, bytes]:
    """The picture as files by name: one bar a strategy, logarithmic, with its interval; empty without a bar."""
    cells = headline_cells(frame)
    if cells.empty:
        return {}
    rows = list(tuples(cells))[::-1]
    with drawing(8, 0.45 * len(rows) + 1.3) as figure:
        axes = figure.subplots()
        for place, cell in enumerate(rows):
            _draw_bar(axes, place, cell)
        axes.set_yticks(range(len(rows)), [str(cell.strategy) for cell in rows])
        axes.set_xscale("log")
        axes.set_xlim(_LEFT, max(float(cell.ratio) for cell in rows) * 100)
        axes.set_xlabel("time of one gradient ÷ that of the short form")
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
        first = rows[0]
        axes.set_title(f"{first.network}, batch {first.batch_size}, {first.dtype}", loc="left")
        return files(figure, NAME)


_LEFT = 0.5  # where the bars of a logarithmic axis begin


def _draw_bar(axes: Axes, place: int, cell: Any) -> None:
    """A bar from the left edge to the ratio; what is predicted is pale and has no interval."""
    ran, ratio = cell.status == "ok", float(cell.ratio)
    axes.barh(place, ratio - _LEFT, left=_LEFT, height=0.7, color=COLOURS[0] if ran else PREDICTED)
    end = ratio
    if ran and not (pd.isna(cell.ratio_low) or pd.isna(cell.ratio_high)):
        reach = [[max(0.0, ratio - cell.ratio_low)], [max(0.0, cell.ratio_high - ratio)]]
        axes.errorbar(ratio, place, xerr=reach, color="black", linewidth=1)
        end = max(ratio, float(cell.ratio_high))
    axes.text(end * 1.15, place, units.ratio(ratio) + ("" if ran else " (predicted)"), va="center")

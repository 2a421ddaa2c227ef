"""The headline: one scenario as one table and one picture, what every derivation costs against the short form.

A cell that did not fit its budget is in both, with what was predicted for it, and marked as predicted.
"""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from bench.report import units
from bench.report.frame import tuples
from bench.report.markdown import markdown_table

SCENARIO = ("mnist-32", "float64")
NAME = "headline.svg"

_MEASURED, _PREDICTED = "#0072b2", "#9ecae1"


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


def draw_headline(frame: pd.DataFrame) -> str | None:
    """The picture as SVG: one bar a strategy on a logarithmic axis; None where there is nothing to draw."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    cells = headline_cells(frame)
    if cells.empty:
        return None
    with mpl.rc_context({"svg.hashsalt": "backprop", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(8, 0.5 * len(cells) + 1.3), layout="constrained")
        axes = figure.subplots()
        names = [str(cell.strategy) for cell in tuples(cells)][::-1]
        ratios = [float(cell.ratio) for cell in tuples(cells)][::-1]
        ran = [cell.status == "ok" for cell in tuples(cells)][::-1]
        bars = axes.barh(names, [ratio / _LEFT for ratio in ratios], left=_LEFT)
        for bar, measured, ratio in zip(bars, ran, ratios, strict=True):
            bar.set_color(_MEASURED if measured else _PREDICTED)
            bar.set_width(ratio - _LEFT)
            text = f" {units.ratio(ratio)}" + ("" if measured else " (predicted)")
            axes.text(ratio, bar.get_y() + bar.get_height() / 2, text, va="center")
        axes.set_xscale("log")
        axes.set_xlim(_LEFT, max(ratios) * 100)
        axes.set_xlabel("time of one gradient ÷ that of the short form")
        first = cells.iloc[0]
        axes.set_title(f"{first['network']}, batch {first['batch_size']}, {first['dtype']}", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


_LEFT = 0.5  # where the bars of a logarithmic axis begin

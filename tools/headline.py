"""The table and the picture of README: one scenario, what every strategy costs there against the short form.

A cell that did not fit its budget is in the table with what was predicted for it, and marked as predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from backprop.bench.record import SHORT_FORM
from backprop.bench.report import charts, pictures
from backprop.bench.report.answer import find_lead
from backprop.bench.report.data import bar_rows
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import HEADLINE
from backprop.bench.report.tables import Figures, ranking


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


def headline_table(frame: pd.DataFrame, layers: Mapping[str, str] | None = None) -> str:
    """Strategy, time, ratio, noise floor, memory and error of these cells: a Markdown table.

    layers: by strategy, which layers it does; a column at the end.
    """
    return markdown_table(
        {
            "strategy": f"`{cell.strategy}`",
            "time of one gradient": figures["time"].text,
            "÷ short form": figures["÷ short form"].text,
            "noise floor": figures["noise floor"].text,
            "memory": figures["peak memory"].text,
            "error": _error(cell, figures),
            **({} if layers is None else {"other layers": layers[cell.strategy]}),
        }
        for cell, figures in ranking(tuples(headline_cells(frame)))
    )


def _error(cell: Any, figures: Figures) -> str:
    """The error, or why there is none; the error of an estimate that decides nothing is said to be one."""
    if cell.status != "ok":
        return "not run: " + str(cell.status).replace("-", " ")
    return ("an estimate: " if cell.tolerance >= 1 else "") + figures["error"].text


def draw_headline(frame: pd.DataFrame) -> dict[str, bytes]:
    """The bars of README's scenario, as headline.svg and .pdf; nothing where the run has no short form there."""
    lead = find_lead(tuples(frame))
    if (
        lead is None
        or (lead.scenario, lead.dtype) != HEADLINE
        or lead.base != SHORT_FORM
        or not lead.measured
    ):
        return {}
    title = {"text": lead.title}
    if any(bar.predicted for bar in lead.bars):
        title["subtitle"] = "≈ and dashed: predicted, not run"
    return pictures.drawn(
        "headline", {**charts.bars(lead), "width": 640, "title": title}, cells=bar_rows(lead)
    )

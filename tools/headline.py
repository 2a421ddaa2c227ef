"""The table and the picture of README: one scenario, what every strategy costs there against the short form.

A cell that did not fit its budget is in the table with what was predicted for it, and marked as predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backprop.bench.record import SHORT_FORM, Record
from backprop.bench.report import charts, pictures
from backprop.bench.report.answer import find_lead
from backprop.bench.report.data import bar_rows
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.ranking import HEADLINE, is_predicted, ran
from backprop.bench.report.tables import Figures, ranking


def headline_cells(cells: Iterable[Record]) -> list[Record]:
    """The right or predicted cells of README's scenario; none where the run does not hold its short form."""
    own = [
        cell
        for cell in cells
        if (cell.scenario, cell.dtype) == HEADLINE and (ran(cell) or is_predicted(cell))
    ]
    return own if any(cell.strategy == SHORT_FORM and ran(cell) for cell in own) else []


def headline_table(cells: Iterable[Record], layers: Mapping[str, str] | None = None) -> str:
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
        for cell, figures in ranking(headline_cells(cells))
    )


def _error(cell: Record, figures: Figures) -> str:
    """The error, or why there is none; the error of an estimate that decides nothing is said to be one."""
    if cell.status != "ok":
        return "not run: " + cell.status.replace("-", " ")
    return ("an estimate: " if cell.tolerance >= 1 else "") + figures["error"].text


def draw_headline(cells: Iterable[Record]) -> dict[str, bytes]:
    """The bars of README's scenario, as headline.svg and .pdf; nothing where the run has no short form there."""
    lead = find_lead(cells)
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

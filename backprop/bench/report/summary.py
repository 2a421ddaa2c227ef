"""A run as a few lines of Markdown for a pull request or an issue: the answer, one ranking, what was left out.

GitHub renders it as it is. The scenario is the one that the HTML page opens with; the others are in report.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from backprop.bench.record import MEASURED, Description
from backprop.bench.report import units
from backprop.bench.report.frame import LoadedRun, tuples
from backprop.bench.report.machine import machine_rows
from backprop.bench.report.markdown import as_code, as_text, markdown_table
from backprop.bench.report.measurement import ranking_note
from backprop.bench.report.page.lead import Lead, find_lead, headline, verdict
from backprop.bench.report.page.tables import interval


def summary(loaded: LoadedRun) -> str:
    """The whole text; it ends with a line break."""
    frame, lead = loaded.frame, find_lead(loaded.frame)
    parts = [f"### {as_text(headline(lead, frame))}"]
    if lead is not None:
        cells = frame[(frame.scenario == lead.scenario) & (frame.dtype == lead.dtype)]
        parts += [as_text(lead.title), _ranking(cells, lead)]
    parts += filter(None, [as_text(ranking_note(frame, loaded.run))])
    parts.append(as_text(verdict(frame).replace("reasons below", "reasons in the table below")))
    if out := _left_out(frame):
        parts.append(f"<details><summary>Left out</summary>\n\n{out}\n\n</details>")
    parts.append(_origin(loaded.run))
    return "\n\n".join(parts) + "\n"


def _ranking(cells: pd.DataFrame, lead: Lead) -> str:
    """Rank, time and ratio with interval of every right cell; then wrong ones; then those that are predicted."""
    return markdown_table([*_measured(cells, lead), *_predicted(lead)])


def _measured(cells: pd.DataFrame, lead: Lead) -> Iterator[dict[str, str]]:
    order = cells.assign(wrong=cells.status != "ok")[cells.status.isin(MEASURED)]
    order = order.sort_values(["wrong", "time_median_s"], kind="stable")
    bars = {bar.strategy: bar for bar in lead.bars}
    for cell in tuples(order):
        bar = bars.get(cell.strategy)
        yield {
            "#": units.rank(cell.rank_best, cell.rank_worst),
            "strategy": as_text(cell.strategy),
            "time": units.seconds(cell.time_median_s),
            _ratio_title(lead): units.MISSING if bar is None else bar.text,
            "95% interval": interval(cell.ratio_low, cell.ratio_high, units.ratio) or units.MISSING,
            "memory": units.data_size(cell.peak_bytes),
            "error": units.error(cell.gradient_error),
            "status": as_text(cell.status),
        }


def _predicted(lead: Lead) -> Iterator[dict[str, str]]:
    for bar in lead.bars:
        if bar.predicted:
            yield {
                "#": "",
                "strategy": as_text(bar.strategy),
                "time": f"≈ {units.seconds(bar.seconds)}",
                _ratio_title(lead): bar.text,
                "95% interval": units.MISSING,
                "memory": units.MISSING,
                "error": units.MISSING,
                "status": "not run",
            }


def _ratio_title(lead: Lead) -> str:
    return f"÷ {as_text(lead.base)}"


def _left_out(frame: pd.DataFrame) -> str:
    """One line a strategy and status: in how many cells, where first, and why there."""
    out = frame[~frame.status.isin(MEASURED)]
    lines = []
    for (strategy, status), cells in out.groupby(["strategy", "status"], sort=False):
        first: Any = next(tuples(cells))
        more = len(cells) - 1
        lines.append(
            {
                "strategy": as_text(str(strategy)),
                "status": as_text(str(status)),
                "scenario": as_text(f"{first.scenario}, {first.dtype}")
                + (f" and {more:,} more" if more else ""),
                "reason": as_text(first.reason),
            }
        )
    return markdown_table(lines) if lines else ""


def _origin(run: Description) -> str:
    """One line: how to repeat it, and on what it ran."""
    rows = machine_rows(run)
    return f"{as_code(rows['command'])}, {as_text(rows['CPU'])}, {as_text(rows['threads'])}"

"""A run as one HTML page that needs nothing else: the answer, sortable tables, charts; it makes no request.

Everything that a run or its user has named is escaped, in the page by Jinja, in its data by JSON.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from backprop.bench.report import units
from backprop.bench.report.frame import LoadedRun, tuples
from backprop.bench.report.machine import machine_rows
from backprop.bench.report.markdown import TEXT_COLUMNS, limits_rows
from backprop.bench.report.measurement import measurement_rows, ranking_note
from backprop.bench.report.page import bundle, curves, data, matrices, tables
from backprop.bench.report.page.charts import agreement, bars
from backprop.bench.report.page.lead import Lead, find_lead, headline, sentence, verdict
from backprop.bench.report.page.lines import against_size, roofline
from backprop.bench.report.page.series import series_of
from backprop.bench.report.page.sweeps import LABELS, sweeps
from backprop.bench.report.scaling import Exponent, exponents
from backprop.bench.report.targets import TARGETS_NOTE, target_rows, targets
from backprop.errors import BackpropError

NAME = "report.html"
NEEDED = "pip install 'backprop-bench[html]'"
MISSING = f"no report.html: it needs `{NEEDED}`"


class PageError(BackpropError, RuntimeError):
    """A page that cannot be made here."""


def available() -> bool:
    """Whether the extra `html` is installed."""
    return bundle.available()


def render(loaded: LoadedRun, folder: Path) -> str:
    """The whole page; `folder` is where errors against the step are looked for, which `backprop accuracy` writes.

    Raises `PageError` where the extra `html` is not installed.
    """
    if not available():
        raise PageError(f"The HTML page needs Jinja and Vega, which are not installed; expected `{NEEDED}`.")
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_own("page.html.jinja")).render(
        style=_raw(_own("page.css")),
        script=_raw(_own("page.js")),
        library=_raw(bundle.chart_library()),
        **_content(loaded, folder),
    )


def _content(loaded: LoadedRun, folder: Path) -> dict[str, Any]:
    """Everything that the template names."""
    frame = loaded.frame
    lead, fitted = find_lead(frame), exponents(frame)
    shown = lead.bars if lead else ()
    accuracy = curves.find_accuracy(folder)
    charts = _charts(loaded, lead, fitted, accuracy)
    content = {
        "lead": lead,
        "headline": headline(lead, frame),
        "sentence": sentence(lead) if lead else "",
        "verdict": verdict(frame),
        "tone": _tone(frame),
        "predicted_bars": any(bar.predicted for bar in shown),
        "intervals": any(bar.low is not None for bar in shown),
        "notes": list(map(str, loaded.run.notes)),
        "ranked": tables.ranked_table(frame),
        "ranking_note": ranking_note(frame, loaded.run),
        "scenarios": list(dict.fromkeys(map(str, frame.scenario))),
        "dtypes": list(dict.fromkeys(map(str, frame.dtype))),
        "statuses": list(dict.fromkeys(map(str, frame.status))),
        "charts": charts,
        "text_columns": TEXT_COLUMNS | {"host", "cpu"},
        "exponents": matrices.exponent_table(frame, fitted),
        "pairs": matrices.agreement_tables(loaded.agreements),
        "accuracy_file": "" if accuracy is None else accuracy.name,
        "limits": limits_rows(frame),
        "targets": target_rows(targets(frame)),
        "targets_note": TARGETS_NOTE.replace("`", ""),
        "left_out": tables.left_out_table(frame),
        "floors": _floors(frame),
        "measurements": _measurements(frame),
        "hosts": _hosts(frame),
        "machine": machine_rows(loaded.run),
    }
    return {**content, "contents": _contents(content)}


def _tone(frame: pd.DataFrame) -> str:
    """How the verdict is shown; a run in which nothing was measured is neither good nor bad."""
    if (frame.status == "disagrees").any():
        return "bad"
    return "good" if (frame.status == "ok").any() else "plain"


def _charts(loaded: LoadedRun, lead: Lead | None, fitted: list[Exponent], accuracy: Path | None) -> data.Json:
    """What page.js draws: the data of every chart, and the charts themselves."""
    frame = loaded.frame
    found = sweeps(frame, fitted)
    drawn = [] if accuracy is None else curves.curves(accuracy)
    names = [*map(str, frame.strategy), *(row["strategy"] for curve in drawn for row in curve["rows"])]
    specs = {
        f"{quantity}-{swept}": against_size(quantity, swept)
        for swept in LABELS
        if any(sweep.swept == swept for sweep in found)
        for quantity in ("time", "memory", "error")
    }
    specs |= {"agreement": agreement(), "roofline": roofline()} | ({"bars": bars(lead)} if lead else {})
    return {
        "series": {
            name: {"colour": one.colour, "shape": one.shape, "sign": one.sign}
            for name, one in series_of(names).items()
        },
        "first": f"{lead.scenario}, {lead.dtype}" if lead else "",
        "columns": data.COLUMNS,
        "cells": data.cell_rows(frame),
        "bars": data.bar_rows(lead) if lead else None,
        "sweeps": data.sweep_rows(found),
        "agreement": data.agreement_groups(loaded.agreements),
        "roofs": data.roofs(frame),
        "curves": drawn,
        "specs": specs,
    }


def _contents(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The sections that the page has, for its navigation."""
    charts = content["charts"]
    parts = (
        ("ranking", "Ranking", True),
        ("size", "Against size", charts["sweeps"]),
        ("agreement", "Agreement", charts["agreement"]),
        ("accuracy", "Error against step", True),
        ("limits", "Machine's limits", charts["roofs"]),
        ("targets", "Targets", content["targets"]),
        ("left-out", "Left out", True),
        ("noise", "Noise floor", True),
        ("machine", "Machine and command", True),
    )
    return [(part, title) for part, title, there in parts if there]


def _floors(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The noise floor of every A/A pair: one a group of strategies that took turns together."""
    known = frame[frame.noise_floor.notna()].drop_duplicates(["scenario", "dtype", "turns_group"])
    return [
        {
            "scenario": f"{cell.scenario}, {cell.dtype}",
            "group": units.count(cell.turns_group),
            "noise floor": f"{cell.noise_floor:.3f}",
            "starts": str(cell.starts),
            "turns": str(cell.rounds),
        }
        for cell in tuples(known)
    ]


def _hosts(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The hosts of a run on several, with their processor and how many cells each had."""
    known = frame[frame.host.notna()]
    if known.host.nunique() < 2:
        return []
    return [
        {"host": str(host), "cpu": str(cells.cpu.iloc[0]), "cells": f"{len(cells):,}"}
        for host, cells in known.groupby("host", sort=False)
    ]


def _measurements(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of report.md on how well a cell was measured, of all scenarios in one table."""
    known = frame[frame.time_low_s.notna()]
    return [
        {"strategy": row["strategy"], "scenario": f"{scenario}, {dtype}"} | row
        for (scenario, dtype), cells in known.groupby(["scenario", "dtype"], sort=False)
        for row in measurement_rows(cells)
    ]


def _own(name: str) -> str:
    return files("backprop.bench.report.page").joinpath(name).read_text(encoding="utf-8")


def _raw(text: str) -> Any:
    """Text of our own, not to be escaped."""
    from markupsafe import Markup

    return Markup(text)

"""A run as one HTML page that needs nothing else: the answer, sortable tables, charts; it makes no request.

Every name that a run or its user gave is escaped: in the page by Jinja, in its data by JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from backprop import units
from backprop.bench.files import write_whole
from backprop.bench.journal import Run
from backprop.bench.record import MEASURED, Record
from backprop.bench.report import charts, data, machines, tables
from backprop.bench.report.accuracy import find_accuracy, read_curves
from backprop.bench.report.answer import Lead, answer
from backprop.bench.report.looks import channels, looks
from backprop.bench.report.pictures import NEEDED, available
from backprop.bench.report.ranking import ranking_note
from backprop.bench.report.scaling import Exponent, exponents
from backprop.bench.table import TEXT_COLUMNS
from backprop.errors import BackpropError
from backprop.user_cache import user_cache

NAME = "report.html"


class PageError(BackpropError, RuntimeError):
    """A page that cannot be made here."""


def render(run: Run, folder: Path) -> str:
    """The whole page; `folder` is where errors against the step are looked for, which `backprop accuracy` writes.

    Raises `PageError` where the extra `report` is not installed.
    """
    if not available():
        raise PageError(f"The HTML page needs Jinja and Vega, which are not installed; expected `{NEEDED}`.")
    page: str = _template().render(
        style=_raw(_own("page.css")),
        script=_raw(_own("page.js")),
        library=_raw(chart_library()),
        **_content(run, folder),
    )
    return page


@functools.cache
def _template() -> Any:
    """The page's template; to compile it takes as long as to fill it in."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_own("page.html.jinja"))


def _own(name: str) -> str:
    return files("backprop.bench.report").joinpath("page", name).read_text(encoding="utf-8")


def _raw(text: str) -> Any:
    """Text of this package, which Jinja does not escape."""
    from markupsafe import Markup

    return Markup(text)


# What the page says -------------------------------------------------------------------------------------


def _content(run: Run, folder: Path) -> dict[str, Any]:
    """Everything that the template names."""
    cells = run.records
    said, fitted = answer(cells), exponents(cells)
    shown = said.lead.bars if said.lead else ()
    accuracy = find_accuracy(folder)
    ranked, left_out = list(tables.ranking(cells)), tables.left_out(cells)
    content = {
        "answer": said,
        "lead": said.lead,
        "tone": _tone(cells),
        "predicted_bars": any(bar.predicted for bar in shown),
        "intervals": any(bar.low is not None for bar in shown),
        "notes": list(map(str, run.description.notes)),
        "ranked": ranked,
        "ranked_headers": _filled(_RANKED, ranked),
        "ranking_note": ranking_note(cells, run.description),
        "scenarios": list(dict.fromkeys(cell.scenario for cell in cells)),
        "dtypes": list(dict.fromkeys(cell.dtype for cell in cells)),
        "statuses": list(dict.fromkeys(cell.status for cell in cells)),
        "charts": _charts(run, said.lead, fitted, accuracy),
        "text_columns": TEXT_COLUMNS,
        "exponents": tables.exponent_rows(cells, fitted),
        "pairs": [(one.label, one.names, list(one.rows())) for one in tables.matrices(run.agreements)],
        "accuracy_file": "" if accuracy is None else accuracy.name,
        "limits": machines.limits_rows(cells),
        "left_out": left_out,
        "left_out_headers": _filled(tables.LEFT_OUT, left_out),
        "left_out_count": units.counted(len(left_out), "cell") if left_out else "nothing",
        "measured": any(cell.status in MEASURED for cell in cells),
        "most_rows": MOST_ROWS,
        "floors": tables.floor_rows(cells),
        "measurements": tables.measurements(cells),
        "hosts": machines.host_rows(cells),
        "machine": machines.machine_rows(run.description),
    }
    return {**content, "contents": _contents(content)}


def _tone(cells: Iterable[Record]) -> str:
    """How the verdict is shown: with a green tick only where all is right and nothing unstable, or plain."""
    statuses = {cell.status for cell in cells}
    if "disagrees" in statuses:
        return "bad"
    unstable = any(cell.unstable for cell in cells if cell.status == "ok")
    return "good" if "ok" in statuses and not unstable else "plain"


def _contents(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The sections that the page has, for its navigation."""
    drawn = content["charts"]
    parts = (
        ("ranking", "Ranking", True),
        ("size", "Against size", drawn["sweeps"]),
        ("agreement", "Agreement", drawn["agreement"]),
        ("accuracy", "Error against step", True),
        ("limits", "Machine's limits", drawn["roofs"]),
        ("left-out", "Left out", True),
        ("noise", "Noise floor", True),
        ("machine", "Machine and command", True),
    )
    return [(part, title) for part, title, there in parts if there]


# Tables that sort and filter ----------------------------------------------------------------------------

MOST_ROWS = 2000
"""Rows of one table: more would make the page larger than 3 MB; results.csv has them all."""

_RANKED = (
    "strategy", "#", "scenario", "dtype", "time", "÷ short form", "÷ loss", "peak memory", "error", "tolerance",
    "accuracy", "status",
)  # fmt: skip


def _filled(headers: Iterable[str], rows: Sequence[tuple[Record, tables.Figures]]) -> list[str]:
    """The headers of columns in which a row has something."""
    return [
        one for one in headers if any(figures[one].text not in ("", units.MISSING) for _, figures in rows)
    ]


# Charts -------------------------------------------------------------------------------------------------


def _charts(run: Run, lead: Lead | None, fitted: Sequence[Exponent], accuracy: Path | None) -> data.Json:
    """What page.js draws: the data of every chart, and the charts themselves."""
    cells, pairs = run.records, data.agreement_groups(run.agreements)
    found, roofs = data.sweeps(cells, fitted), data.roofs(cells)
    curves = [] if accuracy is None else read_curves(accuracy)
    names = [cell.strategy for cell in cells]
    names += [row["strategy"] for curve in curves for row in curve["rows"]]
    look = channels(names)
    specs = {
        f"{quantity}-{swept}": charts.against_size(quantity, data.SIZES[swept], look)
        for swept in dict.fromkeys(sweep.swept for sweep in found)
        for quantity in charts.QUANTITIES
    }
    specs |= {"agreement": charts.agreement(), "roofline": charts.roofline(look)}
    bars = data.bar_rows(lead) if lead and len(lead.bars) > 1 else None  # one bar alone compares nothing
    if lead and bars:
        specs["bars"] = charts.bars(lead)
    for curve in curves:
        curve["spec"] = charts.error_curve(curve, look)
    return {
        "series": {name: dataclasses.asdict(one) for name, one in looks(names).items()},
        "cells": [data.cell_row(cell) for cell in cells],
        "bars": bars,
        "sweeps": [dataclasses.asdict(sweep) for sweep in found],
        "agreement": pairs,
        "roofs": roofs,
        "first": {
            "sweep": _first(lead, [{data.place(cells[k]) for k in sweep.cells} for sweep in found]),
            "pair-group": _first(lead, [{group["label"]} for group in pairs]),
            "roof": _first(lead, [{point["cell"] for point in roof["points"]} for roof in roofs]),
        },
        "curves": curves,
        "specs": specs,
    }


def _first(lead: Lead | None, groups: Iterable[set[str]]) -> int:
    """Which of the groups, each given by the scenarios in it, a chart opens with: the first with the answer's."""
    wanted = f"{lead.scenario}, {lead.dtype}" if lead else ""
    return next((k for k, places in enumerate(groups) if wanted in places), 0)


def chart_library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, safe to stand between `<script>` and `</script>`.

    vl-convert takes two seconds to bundle them, so they are kept for all pages that this version of it makes. The
    name of what is kept ends in the sum of its bytes: a file that was cut short or written over is not taken.
    """
    own = f"vega-{version('vl-convert-python')}"
    for kept in user_cache().glob(f"{own}-*.js"):
        with contextlib.suppress(OSError):
            found = kept.read_bytes()
            if kept.stem == f"{own}-{_sum_of(found)}":
                return found.decode()
    import vl_convert

    make: Any = vl_convert.javascript_bundle  # its stub asks for a snippet that may be left out
    library = str(make()).replace("</script", "<\\/script").replace("<!--", "<\\!--")
    written = library.encode()
    with contextlib.suppress(OSError):  # where nothing can be kept, the next page takes as long
        user_cache().mkdir(parents=True, exist_ok=True)
        write_whole(user_cache() / f"{own}-{_sum_of(written)}.js", written)
    return library


def _sum_of(script: bytes) -> str:
    return hashlib.sha256(script).hexdigest()[:16]

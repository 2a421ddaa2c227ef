"""The rows that charts are drawn from, as JSON.

A number that is missing, not finite or not positive is null: a logarithmic axis has no place for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backprop import units
from backprop.bench.record import Agreement, Record, grouped
from backprop.bench.report.answer import Lead, about
from backprop.bench.report.charts import nested_area
from backprop.bench.report.machines import median
from backprop.bench.report.ranking import is_predicted, ran
from backprop.bench.report.scaling import Exponent, families, shape_of
from backprop.bench.report.tables import matrices

Json = dict[str, Any]
_SMALLEST = 1e-17
"""Where a distance of zero is put on the logarithmic scale of the heat map."""


def positive(value: float | None) -> float | None:
    """The number to four digits, or None where it is missing, not finite or not above zero."""
    if value is None or not 0 < value < math.inf:
        return None
    return float(f"{float(value):.4g}")


# Cells --------------------------------------------------------------------------------------------------


def place(cell: Record) -> str:
    """Scenario and dtype of a cell, as every chart names them."""
    return f"{cell.scenario}, {cell.dtype}"


def cell_row(cell: Record) -> Json:
    """What every chart shows of a cell: its measured figures where it is right, else the predicted ones.

    Networks of one `kind` differ in their sizes alone.
    """
    right = ran(cell)
    seconds = cell.time_median_s if right else cell.predicted_time_s
    memory = cell.peak_bytes if right else cell.predicted_peak_bytes
    sign = "" if right else "≈ "
    interval = units.interval(cell.time_low_s, cell.time_high_s, units.seconds) if right else ""
    return {
        "strategy": cell.strategy,
        "cell": place(cell),
        "kind": re.sub(r"\d+", "", cell.network),
        "status": cell.status,
        "predicted": not right,
        "time": positive(seconds),
        "low": positive(cell.time_low_s if interval else seconds),
        "high": positive(cell.time_high_s if interval else seconds),
        "memory": positive(memory),
        "error": positive(cell.gradient_error) if right else None,
        "time_text": sign + units.seconds(seconds) + (f" ({interval})" if interval else ""),
        "memory_text": sign + units.data_size(memory),
        "error_text": units.error(cell.gradient_error),
    }


def bar_rows(lead: Lead) -> list[Json]:
    """The bars of the answer; a bar without an interval has one without length."""
    rows = []
    for bar in lead.bars:
        low, high = (bar.ratio if end is None else end for end in (bar.low, bar.high))
        rows.append(
            {
                "strategy": bar.strategy,
                "ratio": bar.ratio,
                "low": low,
                "high": high,
                "end": max(bar.ratio, high),
                "text": bar.text,
                "time": about(bar.predicted) + units.seconds(bar.seconds),
                "interval": units.interval(bar.low, bar.high, units.ratio) or units.MISSING,
                "status": "predicted, not run" if bar.predicted else "measured" + ", unstable" * bar.unstable,
                "name": bar.strategy + ", unstable" * bar.unstable,
                "said": f"{bar.strategy}: {bar.text}",
                "predicted": bar.predicted,
                "colour": "var(--predicted)" if bar.predicted else "var(--accent)",
                "edge": "var(--accent)" if bar.predicted else "transparent",
            }
        )
    return rows


# Sweeps -------------------------------------------------------------------------------------------------

SIZES = {
    "parameters": "parameters p",
    "batch": "samples of the batch n",
    "width": "width of the hidden layers",
    "depth": "hidden layers",
}
"""What can be swept, and the title of its axis."""


@dataclass(frozen=True)
class Sweep:
    """Cells that differ in one size, by their position in the run, with the size of each.

    fitted: by strategy, the exponents in words.
    """

    label: str
    swept: str
    cells: tuple[int, ...]
    sizes: tuple[int, ...]
    fitted: dict[str, str]


def sweeps(cells: Sequence[Record], exponents: Sequence[Exponent]) -> list[Sweep]:
    """Every sweep with two sizes or more, those with most cells first; predicted cells are in them, too.

    Width, batch and depth are swept alone, as the exponents are fitted. Beside them stand all networks of one batch
    size and dtype, against their parameters.
    """
    usable = {k for k, cell in enumerate(cells) if ran(cell) or is_predicted(cell)}
    networks = grouped(
        sorted(usable), lambda k: (cells[k].batch_size, cells[k].dtype, cells[k].threads, _cpu(cells[k]))
    )
    found = [
        Sweep(_label("all networks", cells[own[0]]), "parameters", tuple(own), sizes, {})
        for own in networks.values()
        for sizes in [tuple(cells[k].parameters for k in own)]
    ]
    for swept, family in families(cells, sorted(usable)):
        first = cells[next(iter(family))]
        label = _label(f"{swept}, {_shape(first, swept)}", first, swept)
        places, sizes = tuple(family), tuple(family.values())
        found.append(Sweep(label, swept, places, sizes, _fitted(set(places), swept, exponents)))
    return sorted((one for one in found if len(set(one.sizes)) > 1), key=lambda one: -len(one.cells))


def _cpu(cell: Record) -> str:
    return cell.cpu or ""


def _label(what: str, cell: Record, swept: str = "") -> str:
    batch = "" if swept == "batch" else f", batch {cell.batch_size}"
    threads = "" if cell.threads == 1 else f", {units.threads(cell.threads)}"
    return f"{what}{batch}, {cell.dtype}{threads}"


def _shape(cell: Record, swept: str) -> str:
    """784-h-10 where the width is swept, 196-64-…-10 where the depth is."""
    shape = shape_of(cell)
    assert shape is not None
    hidden = ["h" if swept == "width" else str(shape["width"])] * shape["depth"]
    if swept == "depth":
        hidden = [hidden[0], "…"]
    return "-".join([str(shape["inputs"]), *hidden, str(shape["outputs"])])


def _fitted(places: set[int], swept: str, exponents: Sequence[Exponent]) -> dict[str, str]:
    """By strategy: time ~ size^0.93, memory ~ size^1.00, where they were fitted to these cells."""
    words: dict[str, list[str]] = {}
    for one in exponents:
        if one.swept == swept and places.issuperset(one.cells):
            words.setdefault(one.strategy, []).append(f"{one.quantity} ~ size^{one.measured.value:z.2f}")
    return {strategy: ", ".join(found) for strategy, found in words.items()}


# Agreement, limits, errors ------------------------------------------------------------------------------


def agreement_groups(agreements: Iterable[Agreement]) -> list[Json]:
    """A heat map a scenario and dtype: the names, and every pair by the positions of its names."""
    return [
        {
            "label": matrix.label,
            "names": matrix.names,
            "pairs": [
                [
                    matrix.names.index(pair.first),
                    matrix.names.index(pair.second),
                    max(positive(pair.distance) or (1.0 if pair.distance is None else 0.0), _SMALLEST),
                    "not finite" if pair.distance is None else units.error(pair.distance),
                    units.error(pair.tolerance),
                    pair.agrees,
                ]
                for pair in matrix.pairs.values()
            ],
        }
        for matrix in matrices(agreements)
    ]


def roofs(cells: Iterable[Record]) -> list[Json]:
    """A roofline a dtype, thread count and processor: the limits, and every right cell below them."""
    known = (
        cell
        for cell in cells
        if cell.status == "ok" and positive(cell.limit_flops_per_s) and cell.flops_share is not None
    )
    groups = grouped(known, lambda cell: (cell.dtype, cell.threads, _cpu(cell)))
    found = []
    for (dtype, threads, _), own in groups.items():
        peak = median(cell.limit_flops_per_s for cell in own)
        bandwidth = median(cell.limit_bytes_per_s for cell in own)
        points = list(filter(None, map(_roof_point, own)))
        if points and positive(bandwidth):
            label = f"{dtype}, {units.threads(threads)}"
            found.append({"label": label, "peak": peak, "bandwidth": bandwidth, "points": points})
    return found


def _roof_point(cell: Record) -> Json | None:
    """A cell below its roof; None where its speed or the bytes that it moves are not known."""
    share, limit = cell.flops_share, cell.limit_flops_per_s
    flops, moved = cell.predicted_flops, cell.predicted_bytes_moved
    if not (share and limit and flops and moved):
        return None
    speed = positive(share * limit)
    return {
        "strategy": cell.strategy,
        "cell": place(cell),
        "intensity": positive(flops / moved),
        "speed": speed,
        "speed_text": units.flops_rate(speed),
        "flops_share": units.percent(cell.flops_share),
        "bandwidth_share": units.percent(cell.bandwidth_share),
    }


def curve_rows(
    cells: pd.DataFrame, column: str, bottoms: Mapping[tuple[str, str], tuple[float, float]]
) -> dict[str, list[Json]]:
    """By dtype, the points of every method, and a row `bottom` where theory puts the best step.

    bottoms: by strategy and dtype, that step and the error there.
    """
    found = {}
    for dtype, rows in cells.groupby("dtype", sort=False):
        points = [
            _point(strategy, x, error, bottom=False)
            for strategy, x, error in rows[["strategy", column, "error"]]
            .sort_values(["strategy", column])
            .itertuples(index=False)
        ]
        for strategy in dict.fromkeys(map(str, rows.strategy)):
            if (strategy, str(dtype)) in bottoms:
                points.append(_point(strategy, *bottoms[strategy, str(dtype)], bottom=True))
        names = list(dict.fromkeys(point["strategy"] for point in points))
        areas = {name: nested_area(k, len(names)) for k, name in enumerate(names)}
        found[str(dtype)] = [
            point | {"area": areas[point["strategy"]]} for point in points if None not in point.values()
        ]
    return found


def _point(strategy: str, x: float, error: float, bottom: bool) -> Json:
    return {
        "strategy": strategy,
        "x": positive(x),
        "error": positive(error),
        "x_text": f"{x:.1e}" + (" (predicted)" if bottom else ""),
        "error_text": units.error(error),
        "bottom": bottom,
    }

"""The numbers of the charts as JSON: each cell once, and beside it what every chart shows of the cells.

A number that is missing, not finite or not positive is null: no logarithmic axis has a place for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from backprop.bench.record import Agreement
from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.page.lead import Lead
from backprop.bench.report.page.sweeps import Sweep

Json = dict[str, Any]
_SMALLEST = 1e-17
"""Where a distance of zero is put on the logarithmic scale of the heat map."""

COLUMNS = (
    "strategy",
    "cell",
    "status",
    "predicted",
    "time",
    "low",
    "high",
    "memory",
    "error",
    "time_text",
    "memory_text",
    "error_text",
)


def cell_rows(frame: pd.DataFrame) -> list[list[Any]]:
    """One row a cell, in the order of the frame, with the columns `COLUMNS`."""
    return [_cell_row(cell) for cell in tuples(frame)]


def _cell_row(cell: Any) -> list[Any]:
    right = cell.status == "ok" and not pd.isna(cell.time_median_s)
    seconds = cell.time_median_s if right else cell.predicted_time_s
    memory = cell.peak_bytes if right else cell.predicted_peak_bytes
    about = "" if right else "≈ "
    interval = right and not pd.isna(cell.time_low_s)
    words = units.seconds(seconds)
    if interval:
        words += f" ({units.seconds(cell.time_low_s)} to {units.seconds(cell.time_high_s)})"
    return [
        str(cell.strategy),
        f"{cell.scenario}, {cell.dtype}",
        str(cell.status),
        not right,
        positive(seconds),
        positive(cell.time_low_s if interval else seconds),
        positive(cell.time_high_s if interval else seconds),
        positive(memory),
        positive(cell.gradient_error) if right else None,
        about + words,
        about + units.data_size(memory),
        units.error(cell.gradient_error),
    ]


def bar_rows(lead: Lead) -> list[Json]:
    """The bars of the answer."""
    return [
        {
            "strategy": bar.strategy,
            "ratio": bar.ratio,
            "low": bar.ratio if bar.low is None else bar.low,
            "high": bar.ratio if bar.high is None else bar.high,
            "text": bar.text,
            "time": ("≈ " if bar.predicted else "") + units.seconds(bar.seconds),
            "interval": "-" if bar.low is None else f"{units.ratio(bar.low)} to {units.ratio(bar.high)}",
            "status": "predicted, not run" if bar.predicted else "measured",
            "predicted": bar.predicted,
            "colour": "var(--predicted)" if bar.predicted else "var(--accent)",
            "edge": "var(--accent)" if bar.predicted else "transparent",
        }
        for bar in lead.bars
    ]


def sweep_rows(found: Iterable[Sweep]) -> list[Json]:
    """Every sweep: its label, what is swept, the cells by their position and their sizes."""
    return [
        {
            "label": sweep.label,
            "swept": sweep.swept,
            "cells": sweep.cells,
            "sizes": sweep.sizes,
            "fitted": sweep.fitted,
        }
        for sweep in found
    ]


def agreement_groups(agreements: Sequence[Agreement]) -> list[Json]:
    """A heat map a scenario and dtype: the names, and every pair by their positions."""
    groups: dict[str, list[Agreement]] = {}
    for row in agreements:
        groups.setdefault(f"{row.scenario}, {row.dtype}", []).append(row)
    found = []
    for label, rows in groups.items():
        names = list(dict.fromkeys(name for row in rows for name in (row.first, row.second)))
        pairs = [
            [
                names.index(row.first),
                names.index(row.second),
                max(positive(row.distance) or (1.0 if row.distance is None else 0.0), _SMALLEST),
                "not finite" if row.distance is None else units.error(row.distance),
                units.error(row.tolerance),
                row.agrees,
            ]
            for row in rows
        ]
        found.append({"label": label, "names": names, "pairs": pairs})
    return found


def roofs(frame: pd.DataFrame) -> list[Json]:
    """A roofline a dtype and thread count: the limits, and every right cell below them."""
    known = frame[(frame.status == "ok") & frame.flops_share.notna() & frame.limit_flops_per_s.notna()]
    found = []
    for (dtype, threads, _), cells in known.groupby(["dtype", "threads", known.cpu.fillna("")], sort=False):
        peak, bandwidth = cells.limit_flops_per_s.median(), cells.limit_bytes_per_s.median()
        points = []
        for cell in tuples(cells):
            speed, moved = positive(cell.flops_share * cell.limit_flops_per_s), cell.predicted_bytes_moved
            if speed is None or pd.isna(moved) or moved <= 0:
                continue
            points.append(
                {
                    "strategy": str(cell.strategy),
                    "cell": f"{cell.scenario}, {cell.dtype}",
                    "intensity": positive(cell.predicted_flops / moved),
                    "speed": speed,
                    "speed_text": units.flops_rate(speed),
                    "flops_share": units.percent(cell.flops_share),
                    "bandwidth_share": units.percent(cell.bandwidth_share),
                }
            )
        if points and positive(bandwidth) is not None:
            label = f"{dtype}, {threads} thread{'s' if int(str(threads)) > 1 else ''}"
            found.append(
                {"label": label, "peak": float(peak), "bandwidth": float(bandwidth), "points": points}
            )
    return found


def curve_rows(
    cells: pd.DataFrame, column: str, bottoms: dict[tuple[str, str], tuple[float, float]]
) -> dict[str, list[Json]]:
    """By dtype, the points of every method, and a row `bottom` where theory puts the best step."""
    found = {}
    for dtype, rows in cells.groupby("dtype", sort=False):
        points = [
            _point(str(row.strategy), float(getattr(row, column)), float(row.error), bottom=False)
            for row in tuples(rows.sort_values(["strategy", column]))
        ]
        for strategy in dict.fromkeys(map(str, rows.strategy)):
            if (strategy, str(dtype)) in bottoms:
                points.append(_point(strategy, *bottoms[strategy, str(dtype)], bottom=True))
        found[str(dtype)] = [point for point in points if None not in point.values()]
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


def positive(value: Any) -> float | None:
    """The number to four digits, or None where it is missing, not finite or not above zero."""
    if value is None or pd.isna(value) or not math.isfinite(value) or value <= 0:
        return None
    return float(f"{float(value):.4g}")

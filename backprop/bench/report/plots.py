"""Plots as SVG and PDF: time with its interval, and memory, against the size of the network, one line a strategy.

Without matplotlib a run has all its tables and no pictures.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from backprop.bench.report.style import SUFFIXES, drawing, files, logarithmic, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PLOTS = (
    ("time-against-size", "time_median_s", "time of one gradient (s)"),
    ("memory-against-size", "peak_bytes", "peak memory (bytes)"),
)
NAMES = tuple(name + suffix for name, *_ in _PLOTS for suffix in SUFFIXES)


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_plots(frame: pd.DataFrame) -> dict[str, bytes]:
    """The files by name, time and memory against size; nothing where no cell can be compared."""
    cells = _comparable(frame)
    drawn: dict[str, bytes] = {}
    for name, column, label in _PLOTS if len(cells) else ():
        with drawing(8, 4.6) as figure:
            _draw(figure, cells, column, label)
            drawn |= files(figure, name)
    return drawn


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The right cells in float64 of the larger batches, one batch size a network."""
    right = (frame.status == "ok") & frame.time_median_s.notna()
    cells = frame[right & (frame.dtype == "float64") & (frame.batch_size > 1)]
    smallest = cells.groupby("network").batch_size.transform("min")
    return cells[cells.batch_size == smallest]


def _draw(figure: Figure, cells: pd.DataFrame, column: str, label: str) -> None:
    axes = figure.subplots()
    for k, (name, line) in enumerate(lines(cells)):
        values = line[column].astype(float)
        spread = _interval(line) if column == "time_median_s" else None
        axes.errorbar(line.parameters, values, yerr=spread, label=name, **look(k))
    logarithmic(axes, "parameters p", label)
    _name_networks(axes, cells)
    figure.legend(loc="outside right upper")


def lines(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every line: the name of its strategy and, of several, its processor; and its cells in order of size."""
    several = cells.cpu.nunique() > 1
    for (strategy, cpu), line in cells.groupby(["strategy", "cpu"], sort=False, dropna=False):
        yield f"{strategy}, {cpu}" if several else str(strategy), line.sort_values("parameters")


def _interval(line: pd.DataFrame) -> Any:
    """How far the 95% interval reaches below and above; no length where none was measured."""
    below = (line.time_median_s - line.time_low_s).fillna(0).clip(lower=0)
    above = (line.time_high_s - line.time_median_s).fillna(0).clip(lower=0)
    return [below, above]


def _name_networks(axes: Axes, cells: pd.DataFrame) -> None:
    """The networks' names along the top; of those that lie close together, the first."""
    networks = cells.groupby("parameters").network.first()
    shown: dict[float, str] = {}
    for parameters, name in networks.items():
        if not shown or float(str(parameters)) > 1.5 * max(shown):
            shown[float(str(parameters))] = str(name).split()[0]
    top = axes.secondary_xaxis("top")
    top.set_xticks(list(shown), list(shown.values()), rotation=20, ha="left", rotation_mode="anchor")
    top.minorticks_off()

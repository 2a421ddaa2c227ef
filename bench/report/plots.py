"""Plots as SVG: time and memory against the size of the network, one line a strategy.

Without matplotlib a run has all its tables and no pictures.
"""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("time-against-size.svg", "memory-against-size.svg")

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
MARKERS = "osD^vPX"


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_plots(frame: pd.DataFrame) -> dict[str, str]:
    """SVG by file name, time and memory against size; nothing where no cell can be compared."""
    cells = _comparable(frame)
    if cells.empty:
        return {}
    drawn = {}
    for name, column, label in (
        (NAMES[0], "time_median_s", "time of one gradient (s)"),
        (NAMES[1], "peak_bytes", "peak memory (bytes)"),
    ):
        drawn[name] = _svg(cells, column, label)
    return drawn


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The right cells in float64 of the larger batches, one batch size a network."""
    right = (frame.status == "ok") & frame.time_median_s.notna()
    cells = frame[right & (frame.dtype == "float64") & (frame.batch_size > 1)]
    smallest = cells.groupby("network").batch_size.transform("min")
    return cells[cells.batch_size == smallest]


def _svg(cells: pd.DataFrame, column: str, label: str) -> str:
    """The plot as a file: the same records make the same one, to the last byte."""
    import matplotlib as mpl

    svg = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "backprop", "svg.fonttype": "path", "font.size": 10}):
        _figure(cells, column, label).savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


def _figure(cells: pd.DataFrame, column: str, label: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for k, (strategy, line) in enumerate(cells.groupby("strategy", sort=False)):
        line = line.sort_values("parameters")
        axes.plot(
            line.parameters,
            line[column].astype(float),
            label=str(strategy),
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
        )
    _label(axes, cells, label)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _label(axes: Axes, cells: pd.DataFrame, label: str) -> None:
    """Logarithmic axes with units, and the networks' names along the top."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("parameters p")
    axes.set_ylabel(label)
    axes.grid(visible=True, which="major", alpha=0.3)
    networks = cells.groupby("parameters").network.first()
    top = axes.secondary_xaxis("top")
    top.set_xticks(list(networks.index), [str(name).split()[0] for name in networks])
    top.minorticks_off()

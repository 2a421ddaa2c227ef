"""Pictures and tables of accuracy: error against step with its predicted bottom, and against logit scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.report import units
from bench.report.frame import tuples
from bench.report.markdown import as_text, markdown_table
from bench.report.plots import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP_PICTURE, SCALE_PICTURE = "error-against-step.svg", "error-against-logit-scale.svg"

Bottoms = dict[tuple[str, str], tuple[float, float]]
"""By strategy and dtype: the step that theory says is best, and the error there."""


def draw_steps(frame: pd.DataFrame, bottoms: Bottoms) -> str:
    """Error against step, one panel a dtype, one line a method, a ring where theory puts the bottom."""
    cells = frame[frame.experiment == "step"]

    def mark(axes: Axes, dtype: str, strategy: str, colour: str) -> None:
        if (strategy, dtype) in bottoms:
            step, error = bottoms[strategy, dtype]
            axes.plot([step], [error], "o", markersize=12, fillstyle="none", color=colour)

    return _panels(cells, "step", "step h, relative to the parameter (○: predicted bottom)", mark)


def draw_scales(frame: pd.DataFrame) -> str:
    """Error against the scale of the logits, one panel a dtype; a line ends where a gradient is not finite."""
    return _panels(
        frame[frame.experiment == "logit-scale"], "logit_scale", "factor on the logits", lambda *_: None
    )


def grid_table(frame: pd.DataFrame) -> str:
    """For every strategy and dtype, the largest error over the grid as a share of what its model allows."""
    grid = frame[frame.experiment == "grid"]
    lines = []
    for (strategy, dtype), cells in grid.groupby(["strategy", "dtype"], sort=False):
        shares = cells.error / cells.tolerance
        worst = next(tuples(cells.loc[[shares.idxmax()]]))
        lines.append(
            {
                "strategy": as_text(str(strategy)),
                "dtype": str(dtype),
                "cells": units.count(len(cells)),
                "smallest error": units.error(cells.error.min()),
                "largest error": units.error(cells.error.max()),
                "largest share of the model": units.percent(shares.max()),
                "there": as_text(f"{worst.network}, batch {worst.batch_size}"),
            }
        )
    return markdown_table(lines)


def _panels(cells: pd.DataFrame, column: str, label: str, mark: Any) -> str:
    """Two panels that share their axes, as an SVG that is the same for the same rows."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    svg = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "backprop", "svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (dtype, rows) in zip(panels, cells.groupby("dtype", sort=False), strict=True):
            _lines(axes, rows, column, str(dtype), mark)
            axes.set_title(str(dtype))
            axes.set_xlabel(label)
        panels[0].set_ylabel("relative error ‖g - g*‖ / ‖g*‖")
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
        )
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


def _lines(axes: Axes, cells: pd.DataFrame, column: str, dtype: str, mark: Any) -> None:
    names: Sequence[str] = list(dict.fromkeys(cells.strategy))
    for k, strategy in enumerate(names):
        line = cells[(cells.strategy == strategy) & np.isfinite(cells.error)].sort_values(column)
        colour = COLOURS[k % len(COLOURS)]
        axes.plot(
            line[column],
            line.error,
            label=strategy,
            color=colour,
            marker=MARKERS[k % len(MARKERS)],
            markersize=3,
        )
        mark(axes, dtype, strategy, colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)

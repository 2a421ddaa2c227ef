"""Pictures and tables of accuracy: error against step with its predicted bottom, and against logit scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import as_text, markdown_table
from backprop.bench.report.style import drawing, files, logarithmic, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP_PICTURE, SCALE_PICTURE = "error-against-step", "error-against-logit-scale"

Bottoms = dict[tuple[str, str], tuple[float, float]]
"""By strategy and dtype: the step that theory says is best, and the error there."""


def draw_steps(frame: pd.DataFrame, bottoms: Bottoms) -> dict[str, bytes]:
    """Error against step, one panel a dtype, one line a method, a ring where theory puts the bottom."""
    cells = frame[frame.experiment == "step"]

    def mark(axes: Axes, dtype: str, strategy: str, colour: str) -> None:
        if (strategy, dtype) in bottoms:
            step, error = bottoms[strategy, dtype]
            axes.plot([step], [error], "o", markersize=12, fillstyle="none", color=colour)

    return _panels(
        STEP_PICTURE, cells, "step", "step h, relative to the parameter (○: predicted bottom)", mark
    )


def draw_scales(frame: pd.DataFrame) -> dict[str, bytes]:
    """Error against the scale of the logits, one panel a dtype; a line ends where a gradient is not finite."""
    return _panels(
        SCALE_PICTURE,
        frame[frame.experiment == "logit-scale"],
        "logit_scale",
        "factor on the logits",
        lambda *_: None,
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


def _panels(name: str, cells: pd.DataFrame, column: str, label: str, mark: Any) -> dict[str, bytes]:
    """Two panels that share their axes, as files that are the same for the same rows."""
    with drawing(9, 4.2) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (dtype, rows) in zip(panels, cells.groupby("dtype", sort=False), strict=True):
            _lines(axes, rows, column, str(dtype), mark)
            logarithmic(axes, label, "")
            axes.set_title(str(dtype))
        panels[0].set_ylabel("relative error ‖g - g*‖ / ‖g*‖")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return files(figure, name)


def _lines(axes: Axes, cells: pd.DataFrame, column: str, dtype: str, mark: Any) -> None:
    names: Sequence[str] = list(dict.fromkeys(cells.strategy))
    for k, strategy in enumerate(names):
        line = cells[(cells.strategy == strategy) & np.isfinite(cells.error)].sort_values(column)
        axes.plot(line[column], line.error, label=strategy, markersize=3, **look(k))
        mark(axes, dtype, strategy, look(k)["color"])

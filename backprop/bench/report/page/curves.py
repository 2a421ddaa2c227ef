"""Errors against step and logit scale, where `backprop accuracy` has written them beside the run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from backprop.bench.accuracy import predicted_bottoms
from backprop.bench.report.page.data import Json, curve_rows
from backprop.bench.report.page.lines import error_curve

_NAME = "accuracy.csv"
_EXPERIMENTS = (
    ("step", "step", "step h, relative to the parameter", "the ring is the bottom that theory predicts"),
    ("logit-scale", "logit_scale", "factor on the logits", "a line ends where a gradient is not finite"),
)


def find_accuracy(folder: Path) -> Path | None:
    """accuracy.csv in the run's folder, in its folder `accuracy`, beside it, or in a folder `accuracy` beside it."""
    places = (folder, folder / "accuracy", folder.parent, folder.parent / "accuracy")
    return next((place / _NAME for place in places if (place / _NAME).is_file()), None)


def curves(path: Path) -> list[Json]:
    """One chart an experiment and dtype: its caption, its spec, its rows. Nothing of a file of something else."""
    try:
        frame = pd.read_csv(path)
        experiments = [frame[frame.experiment == name] for name, *_ in _EXPERIMENTS]
        bottoms = predicted_bottoms()
        return [
            {
                "caption": f"{dtype}; {note}.",
                "spec": error_curve(title, dtype, any(row["bottom"] for row in rows)),
                "rows": rows,
            }
            for (name, column, title, note), cells in zip(_EXPERIMENTS, experiments, strict=True)
            for dtype, rows in curve_rows(cells, column, bottoms if name == "step" else {}).items()
            if rows
        ]
    except (OSError, ValueError, LookupError, AttributeError, TypeError):  # a file of something else
        return []

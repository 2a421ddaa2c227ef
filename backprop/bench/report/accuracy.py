"""The accuracy report: accuracy.csv, accuracy.md and its pictures, and the same curves for the page of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from backprop.bench.accuracy import FIELDS, ErrorRow, predicted_bottoms
from backprop.bench.output import write_files
from backprop.bench.report import pictures, units
from backprop.bench.report.data import Json, curve_rows
from backprop.bench.report.frame import tuples
from backprop.bench.report.markdown import as_text, markdown_table

_CSV = "accuracy.csv"


@dataclasses.dataclass(frozen=True)
class _Curve:
    """One experiment: its picture, and the column, the title and the sign in the title of its horizontal axis."""

    experiment: str
    picture: str
    column: str
    title: str
    note: str
    sign: str = ""

    def rows(self, frame: pd.DataFrame) -> dict[str, list[Json]]:
        """By dtype, the points of every method and the best step by theory; a dtype without points is left out."""
        bottoms = predicted_bottoms() if self.column == "step" else {}
        found = curve_rows(frame[frame.experiment == self.experiment], self.column, bottoms)
        return {dtype: rows for dtype, rows in found.items() if rows}


_CURVES = (
    _Curve(
        "step",
        "error-against-step",
        "step",
        "step h, relative to the parameter",
        "the ring is the bottom that theory predicts",
        " (○: predicted bottom)",
    ),
    _Curve(
        "logit-scale",
        "error-against-logit-scale",
        "logit_scale",
        "factor on the logits",
        "a line ends where a gradient is not finite",
    ),
)


def accuracy_frame(rows: Sequence[ErrorRow]) -> pd.DataFrame:
    """One row a measured error; the column `within` says of a row of the grid whether its model is kept."""
    frame = pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=list(FIELDS))
    within = pd.array([row.within if row.experiment == "grid" else None for row in rows], dtype="boolean")
    return frame.assign(within=within)


def broken(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the grid whose error is beyond the model."""
    return frame[(frame.experiment == "grid") & (frame.error > frame.tolerance)]


def report_text(frame: pd.DataFrame, shown: Sequence[str] = ()) -> str:
    """Markdown: the answer and the grid as a table, where there is one, and the pictures named `shown`."""
    wrong, grid = broken(frame), frame[frame.experiment == "grid"]
    sections = ["# Accuracy"]
    if len(grid):
        answer = f"**{len(grid)} errors of {grid.strategy.nunique()} strategies over dtype, batch, width and depth: "
        answer += f"{len(wrong)} beyond their model.**" if len(wrong) else "every one within its model.**"
        sections.append(answer)
        sections += [
            f"- {row.strategy} on {row.network}, {row.dtype}: {row.error:.1e}" for row in tuples(wrong)
        ]
        sections.append(_grid_table(grid))
    else:
        sections.append(
            "The two curves alone; `backprop accuracy` measures every strategy against its model."
        )
    sections += [f"![{name.removesuffix('.svg').replace('-', ' ')}]({name})" for name in shown]
    return "\n\n".join(sections) + "\n"


def _grid_table(grid: pd.DataFrame) -> str:
    """For every strategy and dtype, the largest error over the grid as a share of what its model allows."""
    rows = []
    for (strategy, dtype), cells in grid.groupby(["strategy", "dtype"], sort=False):
        shares = cells.error / cells.tolerance
        worst = next(tuples(cells.loc[[shares.idxmax()]]))
        rows.append(
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
    return markdown_table(rows)


def write_accuracy(folder: Path, frame: pd.DataFrame) -> list[Path]:
    """Write the files into a folder; raises `OutputError` where that is not possible.

    Without the extra `report` there are no pictures, and those of an earlier report stay.
    """
    drawn = draw_accuracy(frame) if pictures.available() else {}
    missing = "" if pictures.available() else f"\nNo pictures: they need `{pictures.NEEDED}`.\n"
    files: dict[str, str | bytes] = {
        _CSV: frame.to_csv(index=False, lineterminator="\n"),
        "accuracy.md": report_text(frame, [name for name in drawn if name.endswith(".svg")]) + missing,
        **drawn,
    }
    return write_files("The report", folder, files)


def draw_accuracy(frame: pd.DataFrame) -> dict[str, bytes]:
    """The curves of an accuracy frame as files by name."""
    drawn: dict[str, bytes] = {}
    for curve in _CURVES:
        drawn |= pictures.draw_curves(curve.picture, curve.title + curve.sign, curve.rows(frame))
    return drawn


# For the page of a run ----------------------------------------------------------------------------------


def find_accuracy(folder: Path) -> Path | None:
    """accuracy.csv in the run's folder, in its folder `accuracy`, beside it, or in a folder `accuracy` beside it."""
    places = (folder, folder / "accuracy", folder.parent, folder.parent / "accuracy")
    return next((place / _CSV for place in places if (place / _CSV).is_file()), None)


def page_curves(path: Path) -> list[Json]:
    """What each curve shows, one an experiment and dtype: caption, title, dtype, rings, rows.

    Empty where the file holds something else.
    """
    try:
        frame = pd.read_csv(path)
        return [
            {
                "caption": f"{dtype}; {curve.note}.",
                "title": curve.title,
                "dtype": dtype,
                "rings": any(row["bottom"] for row in rows),
                "rows": rows,
            }
            for curve in _CURVES
            for dtype, rows in curve.rows(frame).items()
        ]
    except (OSError, ValueError, LookupError, AttributeError, TypeError):  # a file of something else
        return []

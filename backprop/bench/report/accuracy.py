"""The accuracy report: accuracy.csv, accuracy.md and its pictures, and the same curves for the page of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from backprop import units
from backprop.bench.accuracy import FIELDS, ErrorRow, predicted_bottoms
from backprop.bench.files import write_files
from backprop.bench.report import pictures
from backprop.bench.report.data import Json, curve_rows
from backprop.bench.report.markdown import as_text, table_of
from backprop.bench.report.tables import Row
from backprop.bench.table import Columns, Table, print_tables

_CSV = "accuracy.csv"


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
    rows = _grid_rows(frame)
    sections = ["# Accuracy", f"**{as_text(_answer(frame))}**" if rows else as_text(_answer(frame))]
    sections += [f"- {as_text(line)}" for line in _wrong(frame)]
    sections += table_of(rows)
    sections += [f"![{name.removesuffix('.svg').replace('-', ' ')}]({name})" for name in shown]
    return "\n\n".join(sections) + "\n"


def print_accuracy(console: Console, frame: pd.DataFrame) -> None:
    """The same on a terminal: the answer, and the grid as a table as wide as the terminal."""
    console.print(_answer(frame))
    for line in _wrong(frame):
        console.print(f"  {line}")
    print_tables(console, [Table("", _grid_rows(frame))], _GRID)


_GRID = Columns(
    first=("strategy", "dtype", "largest share of the model", "largest error"),
    everything="accuracy.md (--out)",
)


def _answer(frame: pd.DataFrame) -> str:
    """One sentence: how many errors were measured, and how many are beyond their model."""
    grid, wrong = frame[frame.experiment == "grid"], broken(frame)
    if not len(grid):
        return "The two curves alone; backprop accuracy measures every strategy against its model."
    said = f"{len(grid)} errors of {grid.strategy.nunique()} strategies over dtype, batch, width and depth"
    return (
        f"{said}: {len(wrong)} beyond their model." if len(wrong) else f"{said}: every one within its model."
    )


def _wrong(frame: pd.DataFrame) -> list[str]:
    return [
        f"{row.strategy} on {row.network}, {row.dtype}: {row.error:.1e}" for row in broken(frame).itertuples()
    ]


def _grid_rows(frame: pd.DataFrame) -> list[Row]:
    """For every strategy and dtype, the largest error over the grid as a share of what its model allows."""
    grid, rows = frame[frame.experiment == "grid"], []
    for (strategy, dtype), cells in grid.groupby(["strategy", "dtype"], sort=False):
        shares = cells.error / cells.tolerance
        worst = cells.iloc[int(shares.argmax())]
        rows.append(
            {
                "strategy": str(strategy),
                "dtype": str(dtype),
                "cells": units.count(len(cells)),
                "smallest error": units.error(cells.error.min()),
                "largest error": units.error(cells.error.max()),
                "largest share of the model": units.percent(shares.max()),
                "there": f"{worst.network}, batch {worst.batch_size}",
            }
        )
    return rows


def write_accuracy(folder: Path, frame: pd.DataFrame) -> list[Path]:
    """Write the files into a folder; raises `OutputError` where that is not possible.

    Without the extra `report` there are no pictures, and those of an earlier report stay.
    """
    drawn = pictures.draw_curves(curves(frame)) if pictures.available() else {}
    missing = "" if pictures.available() else f"\nNo pictures: they need `{pictures.NEEDED}`.\n"
    files: dict[str, str | bytes] = {
        _CSV: frame.to_csv(index=False, lineterminator="\n"),
        "accuracy.md": report_text(frame, [name for name in drawn if name.endswith(".svg")]) + missing,
        **drawn,
    }
    return write_files("The report", folder, files)


# Curves -------------------------------------------------------------------------------------------------

_RING = "the ring is the bottom that theory predicts"
_END = "a line ends where a gradient is not finite"
_CURVES = (
    ("step", "step", "error-against-step", "step h, relative to the parameter", _RING),
    ("logit-scale", "logit_scale", "error-against-logit-scale", "factor on the logits", _END),
)
"""Experiment, column of the horizontal axis, name of the picture, title of the axis, and a note."""


def curves(frame: pd.DataFrame) -> list[Json]:
    """One chart an experiment and dtype: what it says, and its rows; a chart without rows is left out."""
    found = []
    for experiment, column, picture, title, note in _CURVES:
        bottoms = predicted_bottoms() if column == "step" else {}
        for dtype, rows in curve_rows(frame[frame.experiment == experiment], column, bottoms).items():
            rings = any(row["bottom"] for row in rows)
            said = {"picture": picture, "title": title, "dtype": dtype, "caption": f"{dtype}; {note}."}
            found += [{**said, "rings": rings, "rows": rows}] if rows else []
    return found


def find_accuracy(folder: Path) -> Path | None:
    """accuracy.csv in the run's folder, in its folder `accuracy`, beside it, or in a folder `accuracy` beside it."""
    places = (folder, folder / "accuracy", folder.parent, folder.parent / "accuracy")
    return next((place / _CSV for place in places if (place / _CSV).is_file()), None)


def read_curves(path: Path) -> list[Json]:
    """The curves of an accuracy.csv for the page of a run; nothing of a file that holds something else."""
    try:
        return curves(pd.read_csv(path))
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return []

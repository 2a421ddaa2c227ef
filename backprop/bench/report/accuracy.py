"""The accuracy report: accuracy.csv, accuracy.md and its pictures, from the rows that were measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from backprop.bench.accuracy import FIELDS, ErrorRow, predicted_bottoms
from backprop.bench.output import write_files
from backprop.bench.report import curves, plots
from backprop.bench.report.frame import tuples


def accuracy_frame(rows: Sequence[ErrorRow]) -> pd.DataFrame:
    """One row a measured error, with a column `within` where a model is to be kept: on the grid."""
    frame = pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=list(FIELDS))
    within = pd.array([row.within if row.experiment == "grid" else None for row in rows], dtype="boolean")
    return frame.assign(within=within)


def broken(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the grid whose error is beyond the model."""
    return frame[(frame.experiment == "grid") & (frame.error > frame.tolerance)]


def report_text(frame: pd.DataFrame, pictures: Sequence[str] = ()) -> str:
    """Markdown: the answer and the grid as a table, where there is one, and the pictures."""
    wrong, grid = broken(frame), frame[frame.experiment == "grid"]
    sections = ["# Accuracy"]
    if len(grid):
        answer = f"**{len(grid)} errors of {grid.strategy.nunique()} strategies over dtype, batch, width and depth: "
        answer += f"{len(wrong)} beyond their model.**" if len(wrong) else "every one within its model.**"
        sections.append(answer)
        sections += [
            f"- {row.strategy} on {row.network}, {row.dtype}: {row.error:.1e}" for row in tuples(wrong)
        ]
        sections.append(curves.grid_table(frame))
    else:
        sections.append(
            "The two curves alone; `backprop accuracy` measures every strategy against its model."
        )
    sections += [f"![{name.removesuffix('.svg').replace('-', ' ')}]({name})" for name in pictures]
    return "\n\n".join(sections) + "\n"


def write_accuracy(folder: Path, frame: pd.DataFrame) -> list[Path]:
    """Write the files into a folder; raises `OutputError` where that is not possible."""
    pictures: dict[str, bytes] = {}
    if plots.available():
        pictures = curves.draw_steps(frame, predicted_bottoms()) | curves.draw_scales(frame)
    files: dict[str, str | bytes] = {
        "accuracy.csv": frame.to_csv(index=False, lineterminator="\n"),
        "accuracy.md": report_text(frame, [name for name in pictures if name.endswith(".svg")]),
        **pictures,
    }
    return write_files("The report", folder, files)

"""Put the figures of results/reference into README.md, between its marks, and draw its pictures again.

python tools/update_readme.py
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import backprop.bench
from backprop.bench.progress import working
from backprop.bench.report.accuracy import curves
from backprop.bench.report.headline import headline_table
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.pictures import draw_against_size, draw_curves, draw_headline
from backprop.bench.report.targets import summary_rows, targets
from backprop.bench.training.compare import Learnt
from backprop.bench.training.pictures import draw_comparison
from backprop.training import Point

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"


def targets_table(frame: pd.DataFrame) -> str:
    """What each rung should reach, one row a kind of work."""
    return markdown_table(summary_rows(targets(frame)))


TABLES: dict[str, Callable[[pd.DataFrame], str]] = {
    "results/reference": headline_table,
    "results/reference/peers": targets_table,
}
"""By the folder that a mark in README names: the table that stands there."""


def updated(readme: str, folder: str, table: str) -> str:
    """The README with the table between the folder's marks."""
    begin, end = f"<!-- {folder} -->", "<!-- end -->"
    return re.sub(f"(?s){re.escape(begin)}.*?{end}", lambda _: f"{begin}\n{table}\n{end}", readme)


def learnt(row: dict[str, Any]) -> Learnt:
    """A row of compare.json as it was when it was written."""
    names = {field.name for field in dataclasses.fields(Learnt)} - {"points"}
    points = [Point(**point) for point in row["points"]]
    return Learnt(**{name: row[name] for name in names}, points=points)


def pictures() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The folders of the reference and what stands in each, drawn again from its figures."""
    reference = backprop.bench.load(REFERENCE)
    yield "", draw_headline(reference) | draw_against_size(reference)
    for folder in ("scaling", "peers"):
        yield folder, draw_against_size(backprop.bench.load(REFERENCE / folder))
    yield "accuracy", draw_curves(curves(pd.read_csv(REFERENCE / "accuracy" / "accuracy.csv")))
    rows = json.loads((REFERENCE / "training" / "compare.json").read_text(encoding="utf-8"))
    yield "training", {"accuracy-against-time.svg": draw_comparison(list(map(learnt, rows)))}


def update() -> None:
    """Rewrite README.md and, as SVG and PDF, the pictures of results/reference."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for folder, table in TABLES.items():
        text = updated(text, folder, table(backprop.bench.load(ROOT / folder)))
    readme.write_text(text, encoding="utf-8")
    for part, files in pictures():
        folder = REFERENCE / part
        old = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in files}
        for name, content in files.items():
            svg = (
                Path(name).with_suffix(".svg").name
            )  # of the same picture a PDF differs in the names of its fonts
            if old.get(svg) != files[svg]:
                (folder / name).write_bytes(content)


if __name__ == "__main__":
    with working("reading the figures and drawing the pictures"):
        update()

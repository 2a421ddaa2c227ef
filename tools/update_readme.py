"""Put the figures of results/reference into README.md, between its marks: `python tools/update_readme.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import backprop.bench
from backprop.bench.report.headline import draw_headline, headline_table
from backprop.bench.report.markdown import markdown_table
from backprop.bench.report.plots import draw_plots
from backprop.bench.report.targets import summary_rows, targets

ROOT = Path(__file__).resolve().parents[1]


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


def main() -> None:
    """Rewrite README.md, and its pictures as SVG and PDF."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for folder, table in TABLES.items():
        text = updated(text, folder, table(backprop.bench.load(ROOT / folder)))
    readme.write_text(text, encoding="utf-8")
    reference = backprop.bench.load(ROOT / "results/reference")
    for name, content in (draw_headline(reference) | draw_plots(reference)).items():
        (ROOT / "results/reference" / name).write_bytes(content)


if __name__ == "__main__":
    main()

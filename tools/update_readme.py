"""Put the figures of results/reference into README.md, between its marks: `python tools/update_readme.py`."""

from __future__ import annotations

import re
from pathlib import Path

import bench
from bench.report.headline import NAME, draw_headline, headline_table

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results/reference -->", "<!-- end -->"


def updated(readme: str, table: str) -> str:
    """The README with the table between its marks."""
    return re.sub(f"(?s){BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{table}\n{END}", readme)


def main() -> None:
    """Rewrite README.md and the headline picture."""
    reference = ROOT / "results/reference"
    frame = bench.load(reference)
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text(encoding="utf-8"), headline_table(frame)), encoding="utf-8")
    picture = draw_headline(frame)
    if picture is not None:
        (reference / NAME).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

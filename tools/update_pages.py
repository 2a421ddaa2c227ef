"""Make anew what README and the pages of docs/ show: tables of results/reference, outputs of commands, pictures.

    make figures        or: python tools/update_pages.py [PAGE ...]

A page marks what is made:

    <!-- results/reference/peers -->  …  <!-- end -->      the table of that folder or file, see page_tables.py
    <!-- output -->  …  <!-- end -->                        what the last command above printed, backprop or python
    <!-- output: ∂z₂/∂W₂ -->  …  <!-- end -->               of that, the paragraphs that hold this text
    <!-- html -->  …  <!-- end -->                          what it printed, as HTML that the page shows

The commands run in a folder with the notebooks of docs/ and the titled code blocks above them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from build_docs import ROOT
from headline import draw_headline
from page_tables import table_of
from targets import cells_of

from backprop.bench.report.accuracy import curves
from backprop.bench.report.pictures import draw_against_size, draw_curves
from backprop.bench.training.compare import Learnt
from backprop.bench.training.pictures import draw_comparison
from backprop.training import Point

REFERENCE = ROOT / "results" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"(?s)<!-- (results/\S+|output|html)(?:: (.*?))? -->\n(.*?)<!-- end -->")
FILE = re.compile(r'(?ms)^```\w+ title="([\w.]+)"\n(.*?)^```$')
COMMAND = re.compile(r"(?m)^(?: {4})?(?:backprop|python) [^#\n]*")

# Pages -----------------------------------------------------------------------------------------------------


def printed(command: str, folder: Path) -> str:
    """What `backprop …` or `python file.py` prints in that folder."""
    program, *arguments = shlex.split(command)
    arguments = [sys.executable, *(["-m", "backprop"] if program == "backprop" else []), *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode not in (0, 1):  # 1 is a wrong gradient, which a page may well show
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


def excerpt(text: str, wanted: str | None) -> str:
    """The paragraphs that hold the wanted text, each once; all where none is wanted; as a code block."""
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    if wanted is not None:
        paragraphs = "\n".join(lines).split("\n\n")
        lines = "\n\n".join(dict.fromkeys(one for one in paragraphs if wanted in one)).splitlines()
    return "\n".join(["```text", *lines, "```"])


def updated(text: str, run: Callable[[str, Path], str | None] = printed) -> str:
    """The page with everything that it marks made anew; an output of which `run` gives None stays as it is."""
    outputs: dict[tuple[str, int], str | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for notebook in (ROOT / "docs").rglob("*.ipynb"):
            shutil.copy(notebook, folder)

        def output(above: str) -> str | None:
            command, files = COMMAND.findall(above)[-1].strip(), FILE.findall(above)
            for name, content in files:
                (Path(folder) / name).write_text(content, encoding="utf-8")
            if (command, len(files)) not in outputs:
                outputs[command, len(files)] = run(command, Path(folder))
            return outputs[command, len(files)]

        def made(mark: re.Match[str]) -> str:
            kind, part, old = mark.groups()
            if kind not in ("output", "html"):
                new = table_of(kind)
            else:
                said = output(text[: mark.start()])
                new = old if said is None else said if kind == "html" else excerpt(said, part)
            head = f"{kind}: {part}" if part else kind
            return f"<!-- {head} -->\n{new.strip()}\n<!-- end -->"

        return MARK.sub(made, text)


# Pictures --------------------------------------------------------------------------------------------------


def learnt(row: dict[str, Any]) -> Learnt:
    """A row of compare.json as it was when it was written."""
    names = {field.name for field in dataclasses.fields(Learnt)} - {"points"}
    points = [Point(**point) for point in row["points"]]
    return Learnt(**{name: row[name] for name in names}, points=points)


def pictures() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The folders of the reference and what stands in each, drawn again from its figures."""
    reference = cells_of(REFERENCE)
    yield "", draw_headline(reference) | draw_against_size(reference)
    for folder in ("scaling", "peers", "layers"):
        yield folder, draw_against_size(cells_of(REFERENCE / folder))
    yield "accuracy", draw_curves(curves(pd.read_csv(REFERENCE / "accuracy" / "accuracy.csv")))
    rows = json.loads((REFERENCE / "training" / "compare.json").read_text(encoding="utf-8"))
    yield "training", {"accuracy-against-time.svg": draw_comparison(list(map(learnt, rows)))}


def draw() -> None:
    """Draw the pictures of results/reference again, as SVG and PDF; one that has not changed is not written."""
    for part, files in pictures():
        folder = REFERENCE / part
        old = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in files}
        for name, content in files.items():
            # Of the same picture a PDF differs in the names of its fonts.
            svg = Path(name).with_suffix(".svg").name
            if old.get(svg) != files[svg]:
                (folder / name).write_bytes(content)


def main(arguments: Sequence[str]) -> None:
    """Rewrite the named pages; without a name all of them, and the pictures."""
    for page in map(Path, arguments) if arguments else PAGES:
        print(page, flush=True)
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")
    if not arguments:
        draw()


if __name__ == "__main__":
    main(sys.argv[1:])

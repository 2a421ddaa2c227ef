"""Make anew what README and the pages of docs/ show: tables of results/reference, outputs of commands, pictures.

    make figures        or: python tools/update_pages.py [PAGE ...]

A page marks what is made:

    <!-- results/reference/peers -->  …  <!-- end -->      the table of that folder or file, see TABLES
    <!-- output -->  …  <!-- end -->                        what the last command above printed, backprop or python
    <!-- output: ∂z₂/∂W₂ -->  …  <!-- end -->               of that, the paragraphs that hold this text
    <!-- html -->  …  <!-- end -->                          what it printed, as HTML that the page shows

The commands run in a folder with the notebooks of docs/ and the titled code blocks above them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import build_docs
import layer_tables
import pandas as pd
from all_targets import all_targets
from headline import headline_table
from targets import beside_libraries, targets

import backprop.bench
from backprop.bench.comparison import compare_runs
from backprop.bench.report.accuracy import curves
from backprop.bench.report.answer import answer as find_answer
from backprop.bench.report.comparison import render
from backprop.bench.report.frame import load_run, tuples
from backprop.bench.report.markdown import markdown_table, summary
from backprop.bench.report.pictures import draw_against_size, draw_curves, draw_headline
from backprop.bench.training.compare import Learnt
from backprop.bench.training.pictures import draw_comparison
from backprop.training import Point

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"(?s)<!-- (results/\S+|output|html)(?:: (.*?))? -->\n(.*?)<!-- end -->")
FILE = re.compile(r'(?ms)^```\w+ title="([\w.]+)"\n(.*?)^```$')
COMMAND = re.compile(r"(?m)^(?: {4})?(?:backprop|python) [^#\n]*")

# Tables of results/reference -------------------------------------------------------------------------------


def table(rows: Iterable[dict[str, str]]) -> str:
    """A table whose first column is text."""
    return markdown_table(rows).replace("| --:", "| :--", 1)


FEW = ("short-form", "layerwise-vjp", "batched-jacobian", "full-jacobian", "finite-differences")
"""The strategies of README's table; all are on the page of figures."""


def headline_of(folder: Path) -> str:
    """The headline's table, with the layers that every strategy does."""
    return headline_table(backprop.bench.load(folder), layers_done())


def few(folder: Path) -> str:
    """Some rows of the headline's table, without the columns that need an explanation."""
    head, line, *rows = (row.split("|") for row in headline_of(folder).splitlines())
    chosen = [row for row in rows if row[1].strip(" `") in FEW]
    columns = [k for k, name in enumerate(head) if name.strip() not in ("noise floor", "error")]
    return "\n".join("|".join(row[k] for k in columns) for row in (head, line, *chosen))


def ranked(folder: Path) -> str:
    """The ranking that a run prints for a pull request, of the same few strategies."""
    head, line, *rows = only_table(summary(load_run(folder))).splitlines()[
        : len(headline_of(folder).splitlines())
    ]
    return "\n".join([head, line, *(row for row in rows if row.split("|")[2].strip() in FEW)])


def answer(folder: Path) -> str:
    """What the dearest exact derivation costs beside the cheapest one, as a run says it."""
    return find_answer(tuples(backprop.bench.load(folder))).sentence


def comparison(folder: Path) -> str:
    """The two runs in the folder, cell by cell."""
    return only_table(render(compare_runs(folder / "before", folder / "after", False), "before", "after"))


def libraries(folder: Path) -> list[dict[str, str]]:
    """The short form, with zeros left out and dense, against libraries: a row a cell, and the means."""
    return beside_libraries(targets(backprop.bench.load(folder)))


def only_table(text: str) -> str:
    """The lines of a Markdown text that are a table."""
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def layers_done() -> dict[str, str]:
    """By strategy, which of the layers of docs/reference/networks.md it does, beside linear ones and activations."""
    found = {}
    for name, reasons in build_docs.reasons().items():
        done = [kind for kind, reason in reasons.items() if reason is None]
        left_out = [kind for kind in reasons if kind not in done]
        found[name] = f"all but {', '.join(left_out)}" if done and left_out else "all" if done else "none"
    return found


def planted(path: Path) -> str:
    """How many planted mistakes were found and named, and how many right gradients passed."""
    seen = json.loads(path.read_text(encoding="utf-8"))
    share = f"{seen['named'] / seen['planted']:.1%}"
    strange, named = seen["without_signature"], seen["without_signature_given_a_name"]
    rows = {
        "wrong gradients found": f"{seen['found']} of {seen['planted']}",
        "right gradients passed": f"{seen['passed']} of {seen['right']}",
        "kinds named rightly": f"{seen['named']} of {seen['planted']} ({share})",
        "without a known signature": f"{seen['without_signature_found']} of {strange} found, {named} given a name",
    }
    return table({"gradients written by hand": name, "seen": value} for name, value in rows.items())


def campaign(path: Path) -> str:
    """What a campaign of random functions showed: the first version, where it is kept beside it, and this one."""
    rows = [_campaign_row("0.1", path.with_name("campaign-0.1.txt")), _campaign_row("this one", path)]
    return table(rows)


def _campaign_row(version: str, path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    (total,) = re.findall(r"(?m)^all +(.*)$", text)
    visible, right_wrong, undecided, hidden, wrong, wrong_right = total.split()[:6]
    right = int(visible) + int(hidden.split("/")[1])
    (cases,) = re.findall(r"visible right ones undecided: (\d+)", text)
    return {
        "version": version,
        "claims": f"{right + int(wrong):,}",
        "wrong ones called right": f"{wrong_right} of {int(wrong):,}",
        "right ones called wrong": f"{right_wrong} of {right:,}",
        "right ones left undecided, of those that values can tell": f"{cases} of {int(visible):,} ({undecided})",
    }


def learning(path: Path) -> str:
    """How far training comes, over the seeds."""
    seen = json.loads(path.read_text(encoding="utf-8"))
    seeds = pd.DataFrame(seen["seeds"])
    after_6_s = seeds.test_accuracy_after_6_s
    rows = {
        f"after {seeds.epochs[0]} epochs, seeds {seeds.seed.min()} to {seeds.seed.max()}": ", ".join(
            f"{share:.1%}" for share in seeds.test_accuracy
        ),
        "98.0% is reached after": f"{seeds.seconds_to_98.min():.1f} to {seeds.seconds_to_98.max():.1f} s of training",
        "after 6 s": f"{after_6_s.min():.1%} to {after_6_s.max():.1%}",
        "peak memory above the data": f"{seen['peak_bytes_above_data'] / 1e6:.0f} MB",
    }
    return table({"accuracy on test images": name, "seen": value} for name, value in rows.items())


def epochs(path: Path) -> str:
    """Seconds of an epoch, the short form's ÷ those of other libraries."""
    rows: dict[str, dict[str, str]] = {}
    for run in json.loads(path.read_text(encoding="utf-8"))["results"]:
        column = f"{run['optimizer']}, {run['threads']} thread{'s' * (run['threads'] > 1)}"
        for one in run["libraries"][1:]:
            row = rows.setdefault(one["library"], {"short-form ÷": one["library"]})
            row[column] = f"{one['ratio_short_form']:.2f}"
    return table(rows.values())


TABLES: dict[str, Callable[[Path], str]] = {
    "results/reference/commands.json": lambda path: all_targets(path.parent),
    "results/reference": headline_of,
    "results/reference/results.csv": lambda path: few(path.parent),
    "results/reference/records.jsonl": lambda path: answer(path.parent),
    "results/reference/peers/records.jsonl": lambda path: table(libraries(path.parent)),
    "results/reference/peers/results.csv": lambda path: table(
        row for row in libraries(path.parent) if "mean" in row["÷ the fastest library"]
    ),
    "results/reference/parts.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/parts-two-threads.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/compare": comparison,
    "results/reference/report.md": lambda path: ranked(path.parent),
    "results/reference/check/comparison.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/check/layers.md": lambda path: path.read_text(encoding="utf-8").split("\n\n")[-1],
    "results/reference/selftest/selftest.md": lambda path: path.read_text(encoding="utf-8").split("\n\n", 3)[
        -1
    ],
    "results/reference/layers": lambda folder: layer_tables.networks(backprop.bench.load(folder)),
    "results/reference/layers/records.jsonl": lambda path: layer_tables.rungs(
        backprop.bench.load(path.parent)
    ),
    "results/reference/check/lines.md": lambda path: path.read_text(encoding="utf-8").split("\n\n")[-1],
    "results/reference/check/suite.json": planted,
    "results/reference/check/campaign.txt": campaign,
    "results/reference/training/targets.json": learning,
    "results/reference/training/peers.json": epochs,
}
"""By the folder or file that a mark names: what stands there."""


@functools.cache
def table_of(kind: str) -> str:
    """The table of that name in TABLES."""
    return TABLES[kind](ROOT / kind).strip()


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
    reference = backprop.bench.load(REFERENCE)
    yield "", draw_headline(reference) | draw_against_size(reference)
    for folder in ("scaling", "peers", "layers"):
        yield folder, draw_against_size(backprop.bench.load(REFERENCE / folder))
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

"""The tables that README and the pages of docs/ show, made of the figures in results/reference."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import build_docs
import layer_tables
import pandas as pd
from all_targets import all_targets
from build_docs import ROOT
from headline import headline_table
from targets import beside_libraries, cells_of, targets

from backprop.bench.comparison import compare_runs
from backprop.bench.estimates import read_run
from backprop.bench.report.answer import answer as find_answer
from backprop.bench.report.comparison import render
from backprop.bench.report.markdown import markdown_table, summary


def table(rows: Iterable[dict[str, str]]) -> str:
    """A table whose first column is text."""
    return markdown_table(rows).replace("| --:", "| :--", 1)


FEW = ("short-form", "layerwise-vjp", "batched-jacobian", "full-jacobian", "finite-differences")
"""The strategies of README's table; all are on the page of figures."""


def headline_of(folder: Path) -> str:
    """The headline's table, with the layers that every strategy does."""
    return headline_table(cells_of(folder), layers_done())


def few(folder: Path) -> str:
    """Some rows of the headline's table, without the columns that need an explanation."""
    head, line, *rows = (row.split("|") for row in headline_of(folder).splitlines())
    chosen = [row for row in rows if row[1].strip(" `") in FEW]
    columns = [k for k, name in enumerate(head) if name.strip() not in ("noise floor", "error")]
    return "\n".join("|".join(row[k] for k in columns) for row in (head, line, *chosen))


def ranked(folder: Path) -> str:
    """The ranking that a run prints for a pull request, of the same few strategies."""
    head, line, *rows = only_table(summary(read_run(folder))).splitlines()[
        : len(headline_of(folder).splitlines())
    ]
    return "\n".join([head, line, *(row for row in rows if row.split("|")[2].strip() in FEW)])


def answer(folder: Path) -> str:
    """What the dearest exact derivation costs beside the cheapest one, as a run says it."""
    return find_answer(cells_of(folder)).sentence


def comparison(folder: Path) -> str:
    """The two runs in the folder, cell by cell."""
    return only_table(render(compare_runs(folder / "before", folder / "after", False), "before", "after"))


def libraries(folder: Path) -> list[dict[str, str]]:
    """The short form, with zeros left out and dense, against libraries: a row a cell, and the means."""
    return beside_libraries(targets(cells_of(folder)))


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
    rows = [campaign_row("0.1", path.with_name("campaign-0.1.txt")), campaign_row("this one", path)]
    return table(rows)


def campaign_row(version: str, path: Path) -> dict[str, str]:
    """The mutations that a campaign tried, by what was said of them, as one row."""
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
    "results/reference/training/parts.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/parts-two-threads.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/compare": comparison,
    "results/reference/report.md": lambda path: ranked(path.parent),
    "results/reference/check/comparison.md": lambda path: path.read_text(encoding="utf-8"),
    "results/reference/check/layers.md": lambda path: path.read_text(encoding="utf-8").split("\n\n")[-1],
    "results/reference/selftest/selftest.md": lambda path: path.read_text(encoding="utf-8").split("\n\n", 3)[
        -1
    ],
    "results/reference/layers": lambda folder: layer_tables.networks(cells_of(folder)),
    "results/reference/layers/records.jsonl": lambda path: layer_tables.rungs(cells_of(path.parent)),
    "results/reference/check/lines.md": lambda path: "\n\n".join(
        path.read_text(encoding="utf-8").split("\n\n")[-2:]
    ),
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

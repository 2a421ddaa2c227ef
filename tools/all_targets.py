"""The table of targets in docs/figures.md: every bound of the maintainers, the figure seen, and why it is missed.

A bound without a figure in the file of its run has no row. The reasons of missed bounds are written by hand in
`REASONS`; a bound that is met has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from targets import cells_of, summary_rows, targets

from backprop.bench.report.markdown import markdown_table

_ONE_THREAD = "NumPy runs the steps between the products on one thread, the libraries spread them over both"
_LINES = "several slips that hide one another, missing statements, and one of many numbers in a single vector"
REASONS = {
    "short-form ÷ the fastest library, two threads": _ONE_THREAD,
    "an epoch ÷ PyTorch's, momentum, batch 128, threads: 1": "0.65 to 0.71 were seen on different days, when the "
    "machine was faster and slower",
    "an epoch ÷ PyTorch's": _ONE_THREAD,
    "first line named": _LINES,
    "all lines named": _LINES,
    "seconds of backprop check": "1.19 s was seen on a day when the machine was faster; the code of then takes "
    "1.29 s beside it",
    "seconds of make test": "half of the time goes into tests of the checker, each of which calls a function some "
    "hundred times",
    "seconds of .ci/run": "the tests take most of it",
}
"""What limits a missed bound, by the beginning of its row's text."""


class Bound(NamedTuple):
    """One row: the work, the bound for it, the figure that was seen, and the command that measured it."""

    work: str
    must: str
    seen: str
    met: bool
    command: str


def all_targets(reference: Path) -> str:
    """A Markdown table of every bound, grouped by the command that measures it."""
    bounds = [
        *_of_run(reference / "peers", "backprop run --suite peers"),
        *_of_run(reference / "layers", "backprop run --suite layers"),
        *_training(reference / "training"),
        *_checks(reference / "check"),
        *_selftest(reference / "selftest" / "selftest.md"),
        *_commands(reference / "commands.json"),
    ]
    return markdown_table(
        {
            "what": bound.work,
            "must": bound.must,
            "seen": bound.seen,
            "reached": "yes" if bound.met else f"no: {_reason(bound.work)}",
            "command": f"`{bound.command}`",
        }
        for bound in bounds
    )


def _reason(work: str) -> str:
    found = [reason for start, reason in REASONS.items() if work.startswith(start)]
    return found[0] if found else "not known why"


def _of_run(folder: Path, command: str) -> Iterator[Bound]:
    if folder.is_dir():
        for row in summary_rows(targets(cells_of(folder))):
            reached, cells = row["reached"].split(" of ")
            seen = row["seen"] if reached == cells else f"{row['seen']}; {row['reached']} cells"
            yield Bound(row["work"], row["must"], seen, reached == cells, command)


def _training(folder: Path) -> Iterator[Bound]:
    command = "python tools/training_peers.py --data mnist --threads 1 --threads 2"
    limits = {1: 0.67, 2: 0.80}
    for run in json.loads((folder / "peers.json").read_text(encoding="utf-8"))["results"]:
        ratios = {one["library"]: one["ratio_short_form"] for one in run["libraries"]}
        if run["optimizer"] == "momentum":
            threads, ratio = run["threads"], ratios["pytorch"]
            work = f"an epoch ÷ PyTorch's, momentum, batch 128, threads: {threads}"
            yield Bound(work, f"≤ {limits[threads]:.2f}", f"{ratio:.2f}", ratio <= limits[threads], command)
    command = "python tools/training_targets.py --data mnist"
    seen = json.loads((folder / "targets.json").read_text(encoding="utf-8"))
    worst, lenet = min(seed["test_accuracy"] for seed in seen["seeds"]), seen["lenet"]
    work = "784-512-10 on all of MNIST, 10 epochs: the least accurate of five seeds"
    yield Bound(work, "≥ 98.0%", f"{worst:.1%}", worst >= 0.98, command)
    work = f"lenet on all of MNIST, {lenet['epochs']} epochs in 10 minutes"
    met = lenet["test_accuracy"] >= 0.99 and lenet["seconds"] <= 600
    yield Bound(work, "≥ 99.0%", f"{lenet['test_accuracy']:.1%} in {lenet['seconds']:.0f} s", met, command)


def _checks(folder: Path) -> Iterator[Bound]:
    ours = _last_table(folder / "layers.md")[0]
    command = "python tests/planted/layers/suite.py --tools"
    yield _share("slips in layers found", 1.0, ours["found"], command)
    yield _none("right layers called wrong", ours["false alarms"], command)
    yield _share("slips in layers named", 0.9, ours["named"], command)
    command = "python tests/planted/lines/suite.py"
    for row in _last_table(folder / "lines.md"):
        dtype = row["dtype"]
        yield _share(f"first line named is a planted one, {dtype}", 0.95, row["first line planted"], command)
        yield _share(f"all lines named are planted ones, {dtype}", 0.9, row["named lines planted"], command)
        yield _none(f"passes without a slip with a line named, {dtype}", row["in right code"], command)
        calls, seconds = float(row["calls, median"]), float(row["seconds, median"])
        seen = f"{calls:.0f} calls, {seconds:g} s"
        met = calls <= 2000 and seconds <= 1
        yield Bound(f"the median of finding a line, {dtype}", "≤ 2,000 calls, 1 s", seen, met, command)
    mistakes = json.loads((folder / "suite.json").read_text(encoding="utf-8"))
    command = "python tests/planted/gradients/suite.py"
    for work, count, whole in (
        ("wrong gradients of networks found", "found", "planted"),
        ("right gradients of networks passed", "passed", "right"),
    ):
        yield _share(work, 1.0, f"{mistakes[count]} of {mistakes[whole]}", command)


def _selftest(path: Path) -> Iterator[Bound]:
    command = "backprop selftest --runs 60"
    rows = {row["planted"]: row for row in _last_table(path)}
    twins = rows.pop("nothing: twins")
    pairs = int(twins["pairs"])
    different = round(pairs * float(twins["called faster or slower"].split("%")[0]) / 100)
    yield _none("twins called different", f"{different} of {pairs}", command)
    for name, must in (("3%", 0.90), ("5%", 0.95), ("10%", 0.95)):
        yield _share(f"runs that find a slow-down of {name}", must, rows[name]["found (p < 0.002)"], command)


def _share(work: str, must: float, seen: str, command: str) -> Bound:
    """A bound on a share: `seen` is a count, `343 of 353 (97.2%)`, or a share, `95.0% (86.1% to 99.0%)`."""
    words = seen.split()
    share = int(words[0]) / int(words[2]) if words[1] == "of" else float(words[0].rstrip("%")) / 100
    return Bound(work, "all" if must == 1 else f"≥ {must:.0%}", seen, share >= must, command)


def _none(work: str, seen: str, command: str) -> Bound:
    return Bound(work, "none", seen, seen.startswith("0 "), command)


def _last_table(path: Path) -> list[dict[str, str]]:
    """The rows of the last table of a Markdown file, by their headers."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n\n") if line.startswith("|")][-1]
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines.splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def _commands(path: Path) -> Iterator[Bound]:
    limits = {
        "import backprop": 0.25,
        "backprop --help": 0.4,
        "backprop check of 784-512-10": 1.2,
        "make test": 120,
        ".ci/run": 480,
    }
    for row in json.loads(path.read_text(encoding="utf-8")):
        limit, seconds = limits[row["command"]], row["seconds"]
        work = f"seconds of {row['command']}" + (" (CPU)" if row["clock"] == "CPU" else "")
        yield Bound(work, f"≤ {limit:g} s", f"{seconds:.3g} s", seconds <= limit, "python tools/commands.py")

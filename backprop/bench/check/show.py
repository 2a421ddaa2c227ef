"""What `backprop check` prints: the verdict, every tensor, the worst entries, the diagnosis, the cost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding

from backprop import units
from backprop.bench.check.job import Job
from backprop.bench.check.judge import Checked
from backprop.bench.console import make_console
from backprop.bench.table import Columns, Table, print_tables
from backprop.check import KINDS
from backprop.check.lines import Lines, Trace
from backprop.check.script.result import ScriptCheck

_STYLES = {"right": "green", "wrong": "bold red", "undecided": "yellow"}
_MOST_PRINTED = 20
"""Lines of the user's own output that are shown."""


def show(job: Job, checked: Checked, format: str, trace: bool) -> None:
    """Print everything that was found out, as text or JSON; or, in another format, the verdict and the lines."""
    console, check = make_console(), checked.check
    assert check is not None
    if format == "json":
        _show_json(job, checked, trace)
        return
    if format != "text":
        _show_lines(job, checked, format)
        return
    where = f"{checked.network}, batch {job.batch}, {job.dtype}"
    console.print(f"{job.target} is {check['verdict']} on {where}.", style=_STYLES[check["verdict"]])
    _tensors(console, check["tensors"])
    _worst(console, check["tensors"])
    _findings(console, check["findings"])
    _lines(checked)
    if kinks := check["kinks"]:
        console.print(f"kinks: {len(kinks)} entries; {kinks[0]['reason']}.")
    for note in check["notes"]:
        console.print(f"note: {note}")
    _costs(console, checked)
    printed(console, checked.printed)


def _show_json(job: Job, checked: Checked, trace: bool) -> None:
    found = {
        "target": job.target,
        "network": checked.network,
        "batch": job.batch,
        "dtype": job.dtype,
        "seed": job.seed,
        **(checked.check or {}),
        "costs": checked.costs,
        "without_costs": checked.without_costs,
        "printed": checked.printed,
    }
    if trace and checked.found is not None:
        found["trace"] = checked.found.to_dict()["steps"]
    print(json.dumps(found, indent=2))


def _show_lines(job: Job, checked: Checked, format: str) -> None:
    """The wrong lines for an editor or a workflow, each in a line; or a page for a browser."""
    assert checked.check is not None
    seen = checked.found or Trace((), Lines(()))
    headline = f"{job.target} is {checked.check['verdict']}"
    if format == "html":
        print(seen.page(f"{headline} on {checked.network}, batch {job.batch}, {job.dtype}"), end="")
        return
    shown = _annotated(seen.lines, format)
    if not shown and checked.check["verdict"] != "right":
        said = f"{headline}. {seen.lines.note}".rstrip()
        shown = _of_the_file(job.target.rpartition(":")[0], said, format)
    if shown:
        print(shown)


def _annotated(lines: Lines, format: str) -> str:
    return lines.annotations if format == "concise" else lines.github


def _of_the_file(path: str, said: str, format: str) -> str:
    """What no single line is blamed for, at the first line."""
    return f"{path}:1:1: {said}" if format == "concise" else f"::error file={path}::{said}"


def show_script(check: ScriptCheck, format: str) -> None:
    """Print the check of a script or notebook."""
    if format in ("concise", "github"):
        shown = _annotated(Lines(check.lines), format)
        if shown or not check.ok:
            print(shown or _of_the_file(check.target, check.headline, format))
    elif format in ("html", "json"):
        # A part of a page says nothing of its encoding.
        html = check._repr_html_().encode("ascii", "xmlcharrefreplace").decode()
        print(html if format == "html" else json.dumps(check.to_dict(), indent=2))
    else:
        print(check)
        printed(make_console(), check.printed)


def _tensors(console: Console, tensors: Sequence[dict[str, Any]]) -> None:
    rows = [
        {
            "tensor": each["name"],
            "shape": " x ".join(map(str, each["shape"])),
            "verdict": each["verdict"],
            "error": units.error(each["error"]),
            "rounding allows": units.error(each["tolerance"]),
        }
        for each in tensors
    ]
    styles = [None if each["verdict"] == "right" else _STYLES[each["verdict"]] for each in tensors]
    columns = Columns(first=("tensor", "verdict", "error", "rounding allows"))
    print_tables(console, [Table("", rows, styles)], columns)


def _worst(console: Console, tensors: Sequence[dict[str, Any]]) -> None:
    rows = [
        {
            "entry": f"{each['name']}[{', '.join(map(str, entry['index']))}]",
            "got": _number(entry["got"]),
            "expected": _number(entry["expected"]),
        }
        for each in tensors
        for entry in each["worst"][:3]
    ]
    print_tables(console, [Table("The worst entries", rows)], Columns())


def _number(value: float | None) -> str:
    return units.MISSING if value is None else f"{value:.6g}"


def _findings(console: Console, findings: Sequence[dict[str, Any]]) -> None:
    for number, each in enumerate(findings, start=1):
        where = f" in {each['tensor']}" if each["tensor"] else ""
        console.print(f"{number}. {each['kind']}{where} ({each['confidence']})", style="bold")
        for text in filter(None, [each["evidence"], each["fix"]]):
            console.print(Padding(text, (0, 0, 0, 3), expand=False))
    if findings:
        console.print()


def _lines(checked: Checked) -> None:
    seen = checked.found
    if seen is not None and (seen.steps or seen.lines or seen.lines.note):
        print(f"{str(seen if seen.steps else seen.lines).rstrip()}\n")


def _costs(console: Console, checked: Checked) -> None:
    if not checked.costs:
        if checked.without_costs:
            console.print(f"note: {checked.without_costs}")
        return
    rows = [
        {
            "gradient": row["name"],
            "time": units.seconds(row["time_s"]),
            "÷ short form": units.ratio(row["ratio"]),
            "peak memory": units.data_size(row["peak_bytes"])
            if row["predicted_peak_bytes"] is None
            else f"≈ {units.data_size(row['predicted_peak_bytes'])}",
            "reason": row["reason"] or "",
        }
        for row in checked.costs
    ]
    columns = Columns(prose=("reason",))
    print_tables(console, [Table("What it costs", rows)], columns)


def printed(console: Console, text: str) -> None:
    """Print the output of the user's code, marked as such."""
    lines = text.splitlines()
    if not lines:
        return
    console.print("Your code printed:")
    for line in lines[:_MOST_PRINTED]:
        console.print(f"  | {line}")
    if len(lines) > _MOST_PRINTED:
        console.print(f"  | … and {len(lines) - _MOST_PRINTED} lines more")


def show_kinds(as_json: bool) -> None:
    """Print all kinds of mistakes: how each is recognised, what to do about it, and an example."""
    if as_json:
        print(json.dumps([dataclasses.asdict(kind) for kind in KINDS.values()], indent=2))
        return
    console = make_console()
    for kind in KINDS.values():
        console.print(kind.name, style="bold")
        for header, text in (
            ("what it is", kind.summary),
            ("its signature", kind.signature),
            ("what to do", kind.fix),
            ("example", kind.example),
        ):
            console.print(Padding(f"{header}: {text}", (0, 0, 0, 4), expand=False))

"""What `backprop check` prints: the verdict, every tensor, the worst entries, the diagnosis, the cost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from backprop.bench.check.job import Job
from backprop.bench.check.judge import Answers
from backprop.bench.console import make_console, make_table
from backprop.bench.report import units
from backprop.check import KINDS

_STYLES = {"right": "green", "wrong": "bold red", "undecided": "yellow"}
_MOST_PRINTED = 20
"""Lines of the user's own output that are shown."""


def show(job: Job, answers: Answers) -> None:
    """Print everything that was found out."""
    console, check = make_console(), answers.check
    assert check is not None
    where = f"{answers.network}, batch {job.batch}, {job.dtype}"
    console.print(f"{job.target} is {check['verdict']} on {where}.", style=_STYLES[check["verdict"]])
    _tensors(console, check["tensors"])
    _worst(console, check["tensors"])
    _findings(console, check["findings"])
    _kinks(console, check["kinks"])
    for note in check["notes"]:
        console.print(f"note: {note}")
    _costs(console, answers)
    printed(console, answers.printed)


def _tensors(console: Console, tensors: Sequence[dict[str, Any]]) -> None:
    numbers = ("error", "rounding allows")
    table = make_table("", ("tensor", "shape", "verdict", *numbers), numbers)
    for each in tensors:
        table.add_row(
            each["name"],
            " x ".join(map(str, each["shape"])),
            each["verdict"],
            units.error(each["error"]),
            units.error(each["tolerance"]),
            style=None if each["verdict"] == "right" else _STYLES[each["verdict"]],
        )
    console.print(table)


def _worst(console: Console, tensors: Sequence[dict[str, Any]]) -> None:
    if not any(each["worst"] for each in tensors):
        return
    table = make_table("The worst entries", ("entry", "got", "expected"), ("got", "expected"))
    for each in tensors:
        for entry in each["worst"][:3]:
            index = ", ".join(map(str, entry["index"]))
            table.add_row(f"{each['name']}[{index}]", f"{_number(entry['got'])}", _number(entry["expected"]))
    console.print(table)


def _number(value: float | None) -> str:
    return units.MISSING if value is None else f"{value:.6g}"


def _findings(console: Console, findings: Sequence[dict[str, Any]]) -> None:
    for number, each in enumerate(findings, start=1):
        where = f" in {each['tensor']}" if each["tensor"] else ""
        console.print(f"{number}. {each['kind']}{where} ({each['confidence']})", style="bold")
        console.print(f"   {each['evidence']}")
        if each["fix"]:
            console.print(f"   {each['fix']}")
    if findings:
        console.print()


def _kinks(console: Console, kinks: Sequence[dict[str, Any]]) -> None:
    if kinks:
        console.print(f"kinks: {len(kinks)} entries; {kinks[0]['reason']}.")


def _costs(console: Console, answers: Answers) -> None:
    if not answers.costs:
        if answers.without_costs:
            console.print(f"note: {answers.without_costs}")
        return
    numbers = ("time", "÷ short form", "peak memory")
    table = make_table("What it costs", ("gradient", *numbers, ""), numbers)
    for row in answers.costs:
        predicted = row["predicted_peak_bytes"]
        memory = (
            units.data_size(row["peak_bytes"]) if predicted is None else f"≈ {units.data_size(predicted)}"
        )
        times = units.seconds(row["time_s"]), units.ratio(row["ratio"])
        table.add_row(row["name"], *times, memory, row["reason"] or "")
    console.print(table)


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
    table = make_table("Kinds of mistakes", ("kind", "what it is", "its signature", "what to do", "example"))
    for kind in KINDS.values():
        table.add_row(kind.name, kind.summary, kind.signature, kind.fix, kind.example)
    make_console().print(table)

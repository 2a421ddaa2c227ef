"""The options that several commands share, and what they do with them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.results import Results
    from backprop.bench.scenarios import Scenario

    Cells = list[tuple[Strategy[Any], Scenario]]

Strategies = Annotated[
    list[str] | None,
    typer.Option("--strategy", "-s", help="Only this strategy, or file.py:Class; may be repeated."),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", "-c", help="Only this scenario: mnist, mnist-32, mnist-32/float32."),
]
MemoryBudget = Annotated[
    str | None, typer.Option(help="The most memory of a cell, such as 2GB; default: half of what is free.")
]
TimeBudget = Annotated[str | None, typer.Option(help="The most time of a cell, such as 60s, the default.")]
Threads = Annotated[int, typer.Option(help="Threads of the numerical libraries; as many cores are pinned.")]
Data = Annotated[str, typer.Option(help="sample (shipped), mnist (whole), or a folder or file of images.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Replace what is there; what that is is said first.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def prepare_run(
    folder: Path,
    strategy: list[str] | None,
    scenario: list[str] | None,
    memory_budget: str | None,
    time_budget: str | None,
    threads: int,
    data: str,
    peers: bool = False,
) -> tuple[QuickLook, Cells]:
    """Check everything that the user has said before anything is written; the cells scenario by scenario."""
    from backprop.bench.threads import fix_threads

    cores = fix_threads(threads)  # before NumPy loads

    from backprop.bench.budget import Budget
    from backprop.bench.dataset import load
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.suites import find_scenarios
    from backprop.registry import select_strategies

    budget = Budget.parse(memory_budget, time_budget)
    strategies, scenarios = select_strategies(strategy or [], peers=peers), find_scenarios(scenario or [])
    command = shlex.join(["backprop", *sys.argv[1:]])
    dataset = load(data)
    for one in scenarios:
        one.check(dataset)
    measuring = QuickLook(folder, budget, threads, cores, dataset, command)
    return measuring, [(one, other) for other in scenarios for one in strategies]


def cell_name(cell: tuple[Strategy[Any], Scenario]) -> str:
    """What the progress bar calls a cell."""
    return f"{cell[0].name} in {cell[1].id}"


def finish_run(
    done: Results,
    as_json: bool,
    written: list[Path],
    interrupted: bool,
    notes: Sequence[str] = (),
    again: str | None = None,
) -> None:
    """Print what was found and exit with its code; `again` is the command that goes on with an interrupted run."""
    from backprop.bench.console import make_console, print_agreements, print_records
    from backprop.bench.record import to_json
    from backprop.bench.report import older_files, pictures

    if as_json:
        rows = {
            "records": [to_json(row) for row in done.records],
            "agreements": [to_json(row) for row in done.agreements],
            "agree": done.agree,
            "written": [str(path) for path in written],
            "interrupted": interrupted,
            "notes": list(notes),
        }
        print(json.dumps(rows, indent=2))
    else:
        console = make_console()
        if not written and done.agreements:
            print_agreements(console, done.agreements)
        print_records(console, done.records, notes)
        if done.records:
            console.print(done.verdict())
        for path in written:
            console.print(f"written: {path}")
        if written and (older := older_files(written[0].parent, written)):
            console.print(older)
        if written and not pictures.available():
            console.print(pictures.MISSING)
    if interrupted:
        kept = "nothing was measured"
        if done.records or again:
            kept = "what was measured is kept" if written else "what was measured is above"
        print(f"Interrupted; {kept}.", file=sys.stderr)
        if again:
            print(f"To go on: {again}", file=sys.stderr)
        sys.exit(130)
    if not done.agree or done.failed:
        raise typer.Exit(1)

"""`backprop run`: the benchmark, as an instrument."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands.options import (
    AsJson,
    Data,
    Fresh,
    MemoryBudget,
    Scenarios,
    Strategies,
    Threads,
    TimeBudget,
    finish_run,
)
from backprop.errors import RecordError

if TYPE_CHECKING:
    from backprop.bench.results import Results


def run(
    suite: Annotated[str, typer.Option(help="quick, default, scaling, peers, or a TOML file.")] = "default",
    strategy: Strategies = None,
    scenario: Scenarios = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    starts: Annotated[int | None, typer.Option(help="Fresh processes of every strategy.")] = None,
    turns: Annotated[int | None, typer.Option(help="Turns of each of them.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="More starts, until the 95% intervals reach so far to either side, such as 2%."),
    ] = None,
    claim: Annotated[
        str | None,
        typer.Option(help="More starts, until a difference of so much would be found, such as 5%."),
    ] = None,
    data: Data = "sample",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for records and reports; by default a new one, results/TIME."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, by default the newest.")
    ] = False,
    fresh: Fresh = False,
    workers: Annotated[
        int | None, typer.Option(help="Measure in so many processes of a local Dask cluster, side by side.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Measure on the hosts of the Dask cluster with this scheduler's address."),
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict", help="Measure nothing: predict time and memory of every cell.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure strategies x scenarios in processes that take turns, and write records and reports."""
    from backprop.bench.threads import choose_cores, thread_variables

    if cluster is None:
        choose_cores(threads)
    os.environ.update(
        thread_variables(threads)
    )  # before NumPy loads; the workers are pinned, not this process

    from backprop.bench.budget import Budget
    from backprop.bench.commands.places import chosen_place
    from backprop.bench.console import group_display
    from backprop.bench.dataset import load
    from backprop.bench.folders import LATEST, RESULTS, found, new_folder
    from backprop.bench.instrument import Instrument
    from backprop.bench.journal import begun, locked, make_room
    from backprop.bench.report import write_reports
    from backprop.bench.suites import SuiteError, find_suite, restrict

    chosen = restrict(find_suite(suite), strategy or [], scenario or [], starts, turns, precision, claim)
    budget = Budget.parse(memory_budget, time_budget)
    if resume and fresh:
        raise SuiteError("Both --resume and --fresh are given; expected one of them.")
    folder = out or (found(RESULTS / LATEST) if resume else new_folder())
    if resume and out is None and not begun(folder):
        raise RecordError(f"No run lies in {str(folder)!r} to go on with; expected --out and its folder.")
    if begun(folder) and not (resume or fresh):  # said before anything is measured, of the machine as well
        with locked(folder):
            make_room(folder, fresh)
    dataset = load(data)
    interrupted = False
    with chosen_place(
        chosen, threads, dataset, data, predict=predict, workers=workers, cluster=cluster
    ) as place:
        notes = place.notes()
        for note in notes:
            print(f"Note: {note}", file=sys.stderr)
        command = ["backprop", *sys.argv[1:]]
        instrument = Instrument(folder, chosen, budget, threads, dataset, command, place, out is None)
        with group_display(chosen) as (say, advance):
            try:
                instrument.run(say, advance, resume, fresh)
            except KeyboardInterrupt:
                interrupted = True
    if chosen.curves and not (predict or interrupted):
        interrupted = measure_curves(folder)
    is_begun = begun(folder)
    written = write_reports(folder) if is_begun else []
    if not (as_json or predict):
        _print_targets(instrument.results)
    again = _going_on(sys.argv[1:], folder) if is_begun else None
    finish_run(instrument.results, as_json, written, interrupted, notes, again)


def _going_on(arguments: list[str], folder: Path) -> str:
    """The command that goes on with a run in the folder, from the arguments of the one that began it."""
    kept = [one for one in arguments if one not in ("--fresh", "--resume")]
    named = any(one == "--out" or one.startswith("--out=") for one in kept)
    return shlex.join(["backprop", *kept, *([] if named else ["--out", str(folder)]), "--resume"])


def measure_curves(folder: Path) -> bool:
    """Measure errors against step and logit scale, unless the folder has them; whether Ctrl-C interrupted that."""
    from backprop.bench.accuracy import curves
    from backprop.bench.console import tracked
    from backprop.bench.report.accuracy import accuracy_frame, find_accuracy, write_accuracy

    if find_accuracy(folder) is None:
        try:
            rows = [measure() for _, measure in tracked(list(curves()), "measuring", lambda row: row[0])]
        except KeyboardInterrupt:
            return True
        write_accuracy(folder / "accuracy", accuracy_frame(rows))
    return False


def _print_targets(results: Results) -> None:
    """Print the targets that this run has the figures for."""
    from backprop.bench.console import make_console, print_targets
    from backprop.bench.report.frame import to_frame
    from backprop.bench.report.targets import target_rows, targets

    print_targets(make_console(), target_rows(targets(to_frame(results.records))))

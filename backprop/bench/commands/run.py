"""`backprop run`: the benchmark, as an instrument."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import options
from backprop.errors import RecordError

if TYPE_CHECKING:
    from backprop.bench.places import Place
    from backprop.bench.suites import Suite
    from backprop.data import Dataset

EXAMPLES = """
  backprop run --suite quick                     a short suite
  backprop run -s short-form,layerwise-vjp -c mnist-32
  backprop run -s mine.py:Mine -s short-form     yours beside the short form
  backprop run --suite mine.toml --precision 2%  a suite of your own
  backprop run --predict                         measure nothing
  backprop run --resume                          go on with the newest run
"""

Precision = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Make more starts until every 95% interval reaches at most this share, such as 2%, to either side.",
    ),
]
Claim = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Make more starts until a difference of this share, such as 5%, would be found in nine of ten runs.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default="a new folder, results/TIME",
        help="The folder for records and reports.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the run in the folder --out, or begin it there; without --out, go on with the newest "
        "run.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Measure in this many processes of a local Dask cluster at the same time. Their times disturb each "
        "other, so they are not for publication.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Measure on the hosts of a Dask cluster: the address of its scheduler, such as tcp://10.0.0.1:8786.",
    ),
]
Predict = Annotated[
    bool,
    typer.Option(
        "--predict", help="Measure nothing; predict time and memory of every strategy in every scenario."
    ),
]


def run(
    suite: options.SuiteName = "default",
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    memory_budget: options.MemoryBudget = None,
    time_budget: options.TimeBudget = None,
    threads: options.Threads = 1,
    starts: options.Starts = None,
    turns: options.Turns = None,
    precision: Precision = None,
    claim: Claim = None,
    data: options.Data = "sample",
    out: Folder = None,
    resume: Resume = False,
    fresh: options.Fresh = False,
    workers: Workers = None,
    cluster: Cluster = None,
    predict: Predict = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure strategies in scenarios, and write records and reports.

    Every strategy runs in a process of its own; the processes take turns. Exit code 1 means that strategies disagree
    or that one crashed.
    """
    from backprop.bench.threads import choose_cores, thread_variables

    if cluster is None:
        choose_cores(threads)
    # Before NumPy is loaded. Workers are pinned to cores; this process is not.
    os.environ.update(thread_variables(threads))

    from backprop.bench.budget import Budget
    from backprop.bench.console import finish_run
    from backprop.bench.estimates import read_run
    from backprop.bench.instrument import Instrument
    from backprop.bench.journal import begun
    from backprop.bench.progress import GroupDisplay, Progress
    from backprop.bench.record import Results
    from backprop.bench.report import write_reports
    from backprop.bench.scenarios import load
    from backprop.bench.suites import find_suite, restrict

    chosen = restrict(find_suite(suite), strategy or [], scenario or [], starts, turns, precision, claim)
    budget = Budget.parse(memory_budget, time_budget)
    folder = _folder(out, resume, fresh)
    dataset = load(data)
    interrupted = False
    with contextlib.ExitStack() as stack:
        with Progress("starting"):
            place = stack.enter_context(
                chosen_place(
                    chosen, threads, dataset, data, predict=predict, workers=workers, cluster=cluster
                )
            )
        notes = place.notes()
        for note in notes:
            print(f"Note: {note}", file=sys.stderr)
        command = ["backprop", *sys.argv[1:]]
        instrument = Instrument(folder, place, budget, dataset, command, out is None)
        with Progress("starting", len(chosen.scenarios)) as progress:
            try:
                instrument.run(GroupDisplay(progress, chosen, is_told=not as_json), resume, fresh)
            except KeyboardInterrupt:
                interrupted = True
    if chosen.curves and not (predict or interrupted):
        interrupted = measure_curves(folder)
    is_begun = begun(folder)
    with Progress("writing the reports"):
        written = write_reports(folder) if is_begun else []
    again = _going_on(sys.argv[1:], folder) if is_begun else None
    # After an interrupt, the journal holds what is kept.
    done = Results(*read_run(folder)[1:]) if is_begun else Results()
    finish_run(done, as_json, written, interrupted, notes, again)


def _folder(out: Path | None, resume: bool, fresh: bool) -> Path:
    """Where records and reports go; what speaks against it is said before anything is measured."""
    from backprop.bench.files import LATEST, RESULTS, check_folder, found, new_folder
    from backprop.bench.journal import begun, locked
    from backprop.bench.report import make_room
    from backprop.bench.suites import SuiteError

    if resume and fresh:
        raise SuiteError("Both --resume and --fresh are given; expected one of them.")
    folder = out or (found(RESULTS / LATEST) if resume else new_folder())
    if resume and out is None and not begun(folder):
        raise RecordError(f"No run lies in {str(folder)!r} to go on with; expected --out and its folder.")
    check_folder("Records and reports", folder)
    if begun(folder) and not (resume or fresh):
        with locked(folder):
            make_room(folder, fresh)
    return folder


def _going_on(arguments: list[str], folder: Path) -> str:
    """The command that goes on with a run in the folder, from the arguments of the one that began it."""
    kept = [one for one in arguments if one not in ("--fresh", "--resume")]
    named = any(one == "--out" or one.startswith("--out=") for one in kept)
    return shlex.join(["backprop", *kept, *([] if named else ["--out", str(folder)]), "--resume"])


def measure_curves(folder: Path) -> bool:
    """Measure errors against step and logit scale, unless the folder has them; whether Ctrl-C interrupted that."""
    from backprop.bench.accuracy import curves
    from backprop.bench.progress import tracked
    from backprop.bench.report.accuracy import accuracy_frame, find_accuracy, write_accuracy

    if find_accuracy(folder) is None:
        try:
            rows = [one.measure() for one in tracked(list(curves()), "measuring", str)]
        except KeyboardInterrupt:
            return True
        write_accuracy(folder / "accuracy", accuracy_frame(rows))
    return False


@contextlib.contextmanager
def chosen_place(
    suite: Suite,
    threads: int,
    dataset: Dataset,
    data: str,
    *,
    predict: bool,
    workers: int | None,
    cluster: str | None,
) -> Iterator[Place]:
    """The place, open until the run is over.

    Raises `SuiteError` where more than one is asked for, and what opening it raises.
    """
    from backprop.bench.suites import SuiteError

    asked = {"--predict": predict, "--workers": workers is not None, "--cluster": cluster is not None}
    named = [option for option, given in asked.items() if given]
    if len(named) > 1:
        raise SuiteError(f"{' and '.join(named)} are given; expected one of them.")
    if predict:
        from backprop.bench.places import Predicted

        yield Predicted(suite, threads)
    elif named:
        from backprop.bench.cluster import open_cluster

        with open_cluster(suite, threads, dataset, data, workers=workers, address=cluster) as place:
            yield place
    else:
        from backprop.bench.conditions import Conditions
        from backprop.bench.places import Here
        from backprop.bench.threads import choose_cores

        conditions = Conditions.of(threads, choose_cores(threads), suite.schedule.turn_s)
        yield Here(suite, threads, dataset, data, conditions)

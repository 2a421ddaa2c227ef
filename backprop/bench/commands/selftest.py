"""`backprop selftest`: which differences this machine can detect."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import INTERRUPTED, completion, options
from backprop.errors import BackpropError

if TYPE_CHECKING:
    from backprop.bench.conditions import Conditions
    from backprop.bench.selftest import SelfTest
    from backprop.bench.turns import Schedule

EXAMPLES = """
  backprop selftest                             about two minutes
  backprop selftest --runs 20 --out results/selftest
  backprop selftest --out results/selftest --runs 40 --resume
"""

OneScenario = Annotated[
    str,
    typer.Option(
        "--scenario",
        "-c",
        metavar="NAME",
        callback=options.single,
        autocompletion=completion.scenarios,
        help="The scenario in which the short form is measured against itself.",
    ),
]
Runs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="as many as fit into --seconds",
        help="The number of runs, each with five pairs of twins.",
    ),
]
Seconds = Annotated[
    float, typer.Option(metavar="SECONDS", help="About how long to measure, where --runs is not given.")
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default="no files",
        help="The folder for selftest.json and selftest.md, which are written after every run.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the self-test in the folder --out.")]


def selftest(
    scenario: OneScenario = "mnist-32/float32",
    suite: options.SuiteName = "peers",
    starts: options.Starts = None,
    turns: options.Turns = None,
    runs: Runs = None,
    seconds: Seconds = 110.0,
    out: Folder = None,
    resume: Resume = False,
    threads: options.Threads = 1,
    as_json: options.AsJson = False,
) -> None:
    """Show which differences this machine can detect.

    Twins (one strategy under two names) and slow-downs of 2, 3, 5 and 10% are planted; the table says how often each
    was called different.
    """

    from backprop.bench.conditions import Conditions
    from backprop.bench.files import check_folder
    from backprop.bench.memory import planted_peaks
    from backprop.bench.selftest import SelfTest, one_trial, resumed, run_selftest, settings_of
    from backprop.bench.suites import find_scenarios, find_suite, restrict
    from backprop.bench.threads import choose_cores
    from backprop.bench.turns import Site
    from backprop.bench.workers import WorkerError

    _refuse(runs, seconds, resume, out)
    chosen, *more = find_scenarios([scenario])
    if more:
        raise BackpropError(
            f"The scenario {scenario!r} means {1 + len(more)} of them; expected one, such as {chosen.id}."
        )
    if out is not None:
        check_folder("The self-test's files", out)
    schedule = restrict(find_suite(suite), starts=starts, turns=turns).schedule
    site = Site(chosen, "sample", threads, choose_cores(threads), memory_limit_bytes=8e9, timeout_s=60.0)
    settings = settings_of(site, schedule)
    result = resumed(settings, out, resume) if out else SelfTest(settings)
    conditions = Conditions.of(threads, site.cores, schedule.turn_s)
    interrupted = False
    try:
        with _display(result, schedule, runs, seconds) as alive:
            trial = functools.partial(one_trial, site, schedule, alive)
            run_selftest(result, trial, runs, seconds, lambda result: _tell(result, out))
    except WorkerError as error:
        raise BackpropError(f"A worker of the self-test failed: {error.reason}.") from error
    except KeyboardInterrupt:
        interrupted = True
    if not result.trials:
        raise KeyboardInterrupt
    peaks = planted_peaks(conditions.memory_tracker)
    if as_json:
        _print_json(result, peaks, conditions, interrupted)
    else:
        _print_table(result, peaks, conditions)
    if interrupted:
        goes_on = "the runs so far are kept, and --resume goes on" if out else "the runs so far are above"
        print(f"Interrupted; {goes_on}.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _refuse(runs: int | None, seconds: float, resume: bool, out: Path | None) -> None:
    """Raise `BackpropError` for figures that are none, and for a self-test to go on with that has no folder."""
    if runs is not None and runs < 1:
        raise BackpropError(f"The runs are {runs}; expected at least one.")
    if not 0 < seconds < math.inf:
        raise BackpropError(f"The seconds are {seconds:g}; expected a finite number above zero.")
    if resume and out is None:
        raise BackpropError(
            "--resume is given without --out; expected the folder of the self-test that goes on."
        )


@contextlib.contextmanager
def _display(
    result: SelfTest, schedule: Schedule, runs: int | None, seconds: float
) -> Iterator[Callable[[], None]]:
    """The progress of the runs; what is yielded is called at every step of one."""
    from backprop.bench.progress import Progress
    from backprop.bench.selftest import steps_of

    steps, taken, of = steps_of(schedule), itertools.count(), f" of {runs}" if runs is not None else ""
    # Where as many runs as fit into the seconds are made, the seconds are known and the runs are not.
    total = 1.0 if runs is None else max(runs - len(result.trials), 0) * steps
    with Progress("starting", total, seconds if runs is None else None) as progress:

        def alive() -> None:
            step = next(taken) % steps + 1
            progress.say(f"run {len(result.trials) + 1}{of}, step {step:,} of {steps:,}")
            if runs is not None:
                progress.advance()

        yield alive


def _tell(result: SelfTest, out: Path | None) -> None:
    """Say what is known after a run, and write it where a folder is given."""
    from backprop.bench.selftest import save

    if out is not None:
        save(result, out)
    twins, *planted = result.lines()
    said = ", ".join(f"{line.planted:.0%} found {line.found.value:.0%}" for line in planted)
    called = round(twins.claimed.value * twins.pairs)
    print(
        f"after run {len(result.trials)}: {called} of {twins.pairs} twins called different; {said}",
        file=sys.stderr,
    )


def _print_json(result: SelfTest, peaks: dict[str, float], conditions: Conditions, interrupted: bool) -> None:
    apart, together = result.errors()
    summary = {
        **result.settings,
        "runs": len(result.trials),
        "lines": [dataclasses.asdict(line) for line in result.lines()],
        "error_one_after_another": apart,
        "error_taking_turns": together,
        "stopped": result.stopped,
        "memory_tracker": conditions.memory_tracker,
        "planted_peaks": peaks,
        "notes": conditions.notes(),
        "interrupted": interrupted,
    }
    print(json.dumps(summary, indent=2))


def _print_table(result: SelfTest, peaks: dict[str, float], conditions: Conditions) -> None:
    from backprop.bench.console import make_console
    from backprop.bench.selftest import gain, rows
    from backprop.bench.table import Columns, Table, print_tables

    console, lines, known = make_console(), rows(result), result.settings
    title = (
        f"{known['scenario']}, {known['starts']} starts of {known['turns']} turns, {len(result.trials)} runs"
    )
    found, called = list(lines[0])[2:4]
    print_tables(console, [Table(title, lines)], Columns(first=("planted", called, found)))
    console.print(gain(result))
    seen = ", ".join(f"{100 * share:.1f} MB by {who}" for who, share in peaks.items())
    console.print(f"100 MB allocated: {conditions.memory_tracker} saw {seen}.")
    for note in conditions.notes():
        console.print(f"note: {note}")

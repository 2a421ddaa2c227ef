"""`backprop selftest`: which differences this machine can detect."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import completion
from backprop.bench.commands.options import AsJson, Starts, SuiteName, Threads, Turns, single
from backprop.errors import BackpropError

EXAMPLES = """
  backprop selftest                             about two minutes
  backprop selftest --runs 20 --out results/selftest
  backprop selftest --out results/selftest --runs 40 --resume
"""


def selftest(
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario",
            "-c",
            metavar="NAME",
            callback=single,
            autocompletion=completion.scenarios,
            help="The scenario in which the short form is measured against itself.",
        ),
    ] = "mnist-32/float32",
    suite: SuiteName = "peers",
    starts: Starts = None,
    turns: Turns = None,
    runs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="as many as fit into --seconds",
            help="The number of runs, each with five pairs of twins.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="About how long to measure, where --runs is not given.")
    ] = 110.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="no files",
            help="The folder for selftest.json and selftest.md, which are written after every run.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the self-test in the folder --out.")
    ] = False,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Show which differences this machine can detect.

    Twins (one strategy under two names) and slow-downs of 2, 3, 5 and 10% are planted; the table says how often each
    was called different.
    """
    import dataclasses

    import numpy as np

    from backprop.bench.console import make_console
    from backprop.bench.folders import check_folder
    from backprop.bench.machine import cpu_name
    from backprop.bench.places.conditions import Conditions
    from backprop.bench.progress import Progress
    from backprop.bench.selftest import (
        SelfTest,
        gain,
        one_trial,
        planted_peaks,
        resumed,
        rows,
        run_selftest,
        save,
        steps_of,
    )
    from backprop.bench.suites import find_scenarios, find_suite, restrict
    from backprop.bench.table import Columns, Table, print_tables
    from backprop.bench.threads import choose_cores
    from backprop.bench.turns import Site
    from backprop.bench.workers import WorkerError

    if runs is not None and runs < 1:
        raise BackpropError(f"The runs are {runs}; expected at least one.")
    if not 0 < seconds < math.inf:
        raise BackpropError(f"The seconds are {seconds:g}; expected a finite number above zero.")
    if resume and out is None:
        raise BackpropError(
            "--resume is given without --out; expected the folder of the self-test that goes on."
        )
    chosen, *more = find_scenarios([scenario])
    if more:
        raise BackpropError(
            f"The scenario {scenario!r} means {1 + len(more)} of them; expected one, such as {chosen.id}."
        )
    if out is not None:
        check_folder("The self-test's files", out)
    schedule = restrict(find_suite(suite), starts=starts, turns=turns).schedule
    site = Site("sample", threads, choose_cores(threads), memory_limit_bytes=8e9, timeout_s=60.0)
    settings = {
        "scenario": chosen.id,
        "starts": schedule.starts,
        "turns": schedule.turns,
        "turn": schedule.turn,
        "threads": threads,
        "cpu": cpu_name(),
    }
    result = resumed(settings, out, resume) if out else SelfTest(settings)
    conditions = Conditions.of(threads, site.cores, schedule.turn_s)
    rng, steps = np.random.default_rng(), steps_of(schedule)
    # As many runs as fit into the seconds: how many these are is not known, but the seconds are.
    missing = None if runs is None else max(runs - len(result.trials), 0)
    progress = Progress("starting", *((1.0, seconds) if missing is None else (missing * steps,)))
    taken = 0

    def alive() -> None:
        nonlocal taken
        taken += 1
        number, step = len(result.trials) + 1, (taken - 1) % steps + 1
        of = f" of {runs}" if runs is not None else ""
        progress.say(f"run {number}{of}, step {step:,} of {steps:,}")
        if missing is not None:
            progress.advance()

    def told(result: SelfTest) -> None:
        if out is not None:
            save(result, out)
        said = ", ".join(f"{line.planted:.0%} found {line.found.value:.0%}" for line in result.lines()[1:])
        twins = result.lines()[0]
        called = round(twins.claimed.value * twins.pairs)
        print(
            f"after run {len(result.trials)}: {called} of {twins.pairs} twins called different; {said}",
            file=sys.stderr,
        )

    interrupted = False
    try:
        with progress:
            run_selftest(result, lambda: one_trial(chosen, site, schedule, rng, alive), runs, seconds, told)
    except WorkerError as error:
        raise BackpropError(f"A worker of the self-test failed: {error.reason}.") from error
    except KeyboardInterrupt:
        interrupted = True
    if not result.trials:
        raise KeyboardInterrupt
    tracker = conditions.memory_tracker
    peaks = planted_peaks(tracker)
    notes = conditions.notes()
    if as_json:
        apart, together = result.errors()
        summary = {
            **settings,
            "runs": len(result.trials),
            "lines": [dataclasses.asdict(line) for line in result.lines()],
            "error_one_after_another": apart,
            "error_taking_turns": together,
            "stopped": result.stopped,
            "memory_tracker": tracker,
            "planted_peaks": peaks,
            "notes": notes,
            "interrupted": interrupted,
        }
        print(json.dumps(summary, indent=2))
    else:
        console = make_console()
        lines = rows(result)
        title = f"{chosen.id}, {schedule.starts} starts of {schedule.turns} turns, {len(result.trials)} runs"
        found, called = list(lines[0])[2:4]
        columns = Columns(first=("planted", called, found))
        print_tables(console, [Table(title, lines)], columns)
        console.print(gain(result))
        console.print(
            f"100 MB allocated: {tracker} saw "
            + ", ".join(f"{100 * share:.1f} MB by {who}" for who, share in peaks.items())
            + "."
        )
        for note in notes:
            console.print(f"note: {note}")
    if interrupted:
        goes_on = "the runs so far are kept, and --resume goes on" if out else "the runs so far are above"
        print(f"Interrupted; {goes_on}.", file=sys.stderr)
        sys.exit(130)

"""`backprop selftest`: what can be told apart on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bench.commands.options import AsJson, Threads


def selftest(
    scenario: Annotated[
        str, typer.Option("--scenario", "-c", help="On which scenario.")
    ] = "mnist-32/float32",
    runs: Annotated[int | None, typer.Option(help="Runs; as many as fit into --seconds by default.")] = None,
    seconds: Annotated[float, typer.Option(help="About how long, where --runs is not given.")] = 110.0,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Plant a twin that is the same and one that is 10% slower, and say what this machine can tell apart."""
    import dataclasses

    import numpy as np

    from backprop.errors import BackpropError
    from bench.console import make_console
    from bench.isolated.conditions import Conditions
    from bench.isolated.process import WorkerError
    from bench.isolated.turns import Site
    from bench.scenarios import select_scenarios
    from bench.selftest import SCHEDULE, TRUE_RATIO, Trial, planted_peaks, run_selftest
    from bench.threads import choose_cores

    if runs is not None and runs < 1:
        raise BackpropError(f"The runs are {runs}; expected at least one.")
    chosen = select_scenarios([scenario])[0]
    site = Site("sample", threads, choose_cores(threads), memory_limit_bytes=8e9, timeout_s=60.0)
    conditions = Conditions.of(threads, site.cores, SCHEDULE.turn_s)
    console = make_console()

    def told(trial: Trial) -> None:
        if not as_json:
            console.print(
                f"noise floor {trial.noise_floor:.3f}   "
                f"same: {trial.same.ratio.value:.3f} {trial.same.verdict}   "
                f"10% slower: {trial.slower.ratio.value:.3f} "
                f"({trial.slower.ratio.low:.3f} to {trial.slower.ratio.high:.3f}) {trial.slower.verdict}"
            )

    try:
        result = run_selftest(chosen, site, np.random.default_rng(), runs, seconds, told)
    except WorkerError as error:
        raise BackpropError(f"A worker of the self-test failed: {error.reason}.") from error
    count, tracker = len(result.trials), conditions.memory_tracker
    peaks = planted_peaks(tracker)
    if as_json:
        summary = {
            "scenario": result.scenario,
            "runs": count,
            "threads": threads,
            "true_ratio": TRUE_RATIO,
            "false_alarms": result.false_alarms,
            "found": result.found,
            "within_3_percent": result.within_3_percent,
            "smallest_difference": result.smallest_difference,
            "stopped": result.stopped,
            "memory_tracker": tracker,
            "planted_peaks": peaks,
            "notes": conditions.notes(),
            "trials": [dataclasses.asdict(trial) for trial in result.trials],
        }
        print(json.dumps(summary, indent=2))
        return
    console.print(
        f"{result.scenario}, {threads} thread{'s' if threads > 1 else ''}, {count} runs: "
        f"a twin called different {result.false_alarms} times; 10% found {result.found} times, "
        f"{result.within_3_percent} times within 3% of the truth.\n"
        f"Here a factor of about {max(1.05, result.smallest_difference):.2f} can be told apart.\n"
        f"100 MB allocated: {tracker} saw "
        + ", ".join(f"{100 * share:.1f} MB by {who}" for who, share in peaks.items())
        + "."
    )
    for note in conditions.notes():
        console.print(f"note: {note}")

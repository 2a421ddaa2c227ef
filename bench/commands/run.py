"""`backprop run`: the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import (
    AsJson,
    Data,
    MemoryBudget,
    Scenarios,
    Strategies,
    Threads,
    TimeBudget,
    cell_name,
    finish_run,
    prepare_run,
)


def run(
    strategy: Strategies = None,
    scenario: Scenarios = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    data: Data = "sample",
    out: Annotated[Path, typer.Option(help="The folder for records and reports.")] = Path("results/latest"),
    as_json: AsJson = False,
) -> None:
    """Measure strategies x scenarios and write records and reports."""
    measuring, cells = prepare_run(out, strategy, scenario, memory_budget, time_budget, threads, data)
    from bench.console import tracked
    from bench.report import write_reports

    interrupted = False
    with measuring:
        try:
            for one, other in tracked(cells, "measuring", cell_name):
                measuring.measure(one, other)
        except KeyboardInterrupt:
            interrupted = True
    written = write_reports(out)
    finish_run(measuring, as_json, [str(path) for path in written], interrupted)

"""`backprop verify`: which strategies agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands.options import (
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


def verify(
    strategy: Strategies = None,
    scenario: Scenarios = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    data: Data = "sample",
    peers: Annotated[bool, typer.Option("--peers", help="Outside libraries, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every pair of strategies; exit 1 where any disagree."""
    import tempfile

    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads
    with tempfile.TemporaryDirectory() as folder:
        verifying, cells = prepare_run(
            Path(folder), strategy, scenario, memory_budget, time_budget, threads, data, peers
        )
        from backprop.bench.progress import tracked

        interrupted = False
        with verifying:
            try:
                for one, other in tracked(cells, "verifying", cell_name):
                    verifying.verify(one, other)
            except KeyboardInterrupt:
                interrupted = True
    finish_run(verifying.results, as_json, [], interrupted)

"""`backprop verify`: which strategies agree."""

from __future__ import annotations

from pathlib import Path

from backprop.bench.commands.options import (
    AsJson,
    Data,
    MemoryBudget,
    Peers,
    Scenarios,
    Strategies,
    Threads,
    TimeBudget,
    cell_name,
    finish_run,
    prepare_run,
)

EXAMPLES = """
  backprop verify                              every strategy, every scenario
  backprop verify -c toy,small --peers         PyTorch, JAX and others, too
  backprop verify -s mine.py:Mine,short-form   your own strategy
"""


def verify(
    strategy: Strategies = None,
    scenario: Scenarios = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    data: Data = "sample",
    peers: Peers = False,
    as_json: AsJson = False,
) -> None:
    """Compare the gradients of every pair of strategies.

    Exit code 1 means that two of them differ by more than their error models allow.
    """
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

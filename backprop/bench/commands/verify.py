"""`backprop verify`: which strategies agree."""

from __future__ import annotations

import shlex
import sys
import tempfile
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
    finish_run,
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
    from backprop.bench.threads import fix_threads

    cores = fix_threads(threads)  # before NumPy loads

    from backprop.bench.budget import Budget
    from backprop.bench.dataset import load
    from backprop.bench.progress import tracked
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.suites import find_scenarios
    from backprop.registry import select_strategies

    budget = Budget.parse(memory_budget, time_budget)
    strategies, scenarios = select_strategies(strategy or [], peers=peers), find_scenarios(scenario or [])
    dataset, interrupted = load(data), False
    for one in scenarios:
        one.check(dataset)
    cells = [(one, other) for other in scenarios for one in strategies]
    with tempfile.TemporaryDirectory() as folder:
        command = shlex.join(["backprop", *sys.argv[1:]])
        verifying = QuickLook(Path(folder), budget, threads, cores, dataset, command)
        with verifying:
            try:
                for cell in tracked(cells, "verifying", lambda cell: f"{cell[0].name} in {cell[1].id}"):
                    verifying.verify(*cell)
            except KeyboardInterrupt:
                interrupted = True
    finish_run(verifying.results, as_json, [], interrupted)

"""`backprop verify`: which strategies agree."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import options

if TYPE_CHECKING:
    from backprop.bench.suites import Suite

EXAMPLES = """
  backprop verify                              every strategy, every scenario
  backprop verify -c toy,small --peers         PyTorch, JAX and others, too
  backprop verify -s mine.py:Mine,short-form   your own strategy
  backprop verify --network "1x28x28 conv5x4 relu pool2 10"
  backprop verify --suite layers               as `run` measures them
"""

BATCH = 8
"""Samples of a network by --network: few, so that the dense Jacobians fit."""


def verify(
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    suite: options.SuiteIfGiven = None,
    network: Annotated[str | None, options.network_option(show_default="those of the scenarios")] = None,
    loss: options.LossIfGiven = None,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default=str(BATCH),
            help="The number of samples in the batch, of a network by --network.",
        ),
    ] = None,
    memory_budget: options.MemoryBudget = None,
    time_budget: options.TimeBudget = None,
    threads: options.Threads = 1,
    data: options.Data = "sample",
    peers: options.Peers = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare the gradients of every pair of strategies.

    Exit code 1 means that two of them differ by more than their error models allow.
    """
    from backprop.bench.threads import fix_threads

    cores = fix_threads(threads)  # before NumPy loads

    from backprop.bench.budget import Budget
    from backprop.bench.console import finish_run
    from backprop.bench.progress import tracked
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.scenarios import load
    from backprop.registry import select_strategies

    budget = Budget.parse(memory_budget, time_budget)
    chosen = _chosen(suite, network, loss, batch, strategy or [], scenario or [])
    dataset, interrupted = load(data), False
    for one in chosen.scenarios:
        one.check(dataset)
    cells = [
        (found, one)
        for one in chosen.scenarios
        for found in select_strategies(chosen.strategies_of(one), peers=peers)
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = shlex.join(["backprop", *sys.argv[1:]])
        verifying = QuickLook(Path(folder), budget, threads, cores, dataset, command)
        with verifying:
            try:
                for cell in tracked(cells, "verifying", lambda cell: f"{cell[0].name} in {cell[1].id}"):
                    verifying.measure(*cell)
            except KeyboardInterrupt:
                interrupted = True
    finish_run(verifying.results, as_json, [], interrupted)


def _chosen(
    suite: str | None,
    network: str | None,
    loss: str | None,
    batch: int | None,
    strategies: Sequence[str],
    scenarios: Sequence[str],
) -> Suite:
    """What is verified: a suite, one network in both dtypes, or every scenario of the table."""
    from backprop import Network
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite, find_suite, known_scenarios, restrict
    from backprop.bench.turns import Schedule
    from backprop.errors import OptionError
    from backprop.options import check_count
    from backprop.registry import ALL

    if network is None and (loss is not None or batch is not None):
        raise OptionError("--loss or --batch is given without --network; expected them only beside it.")
    if network is None:
        table = find_suite(suite) if suite else Suite.of("all", [ALL], known_scenarios(), Schedule())
        return restrict(table, strategies, scenarios)
    if suite is not None or scenarios:
        raise OptionError("--network is given beside --suite or --scenario; expected one of them.")
    n = BATCH if batch is None else batch
    check_count("samples", n)
    made = Network.parse(network, loss=loss or "cross-entropy")
    both = [Scenario.of(made, n, dtype) for dtype in ("float32", "float64")]
    return restrict(Suite.of("network", [ALL], both, Schedule()), strategies)

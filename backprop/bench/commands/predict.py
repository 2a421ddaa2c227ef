"""`backprop predict`: what each derivation would need for a network, without running it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from backprop.bench.commands.options import AsJson, MemoryBudget, Strategies, Threads, TimeBudget


def predict(
    network: Annotated[str, typer.Argument(help="Sizes such as 784-512-10.")],
    batch: Annotated[int, typer.Option(help="Samples of a batch.")] = 32,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    activation: Annotated[str, typer.Option(help="After every hidden layer.")] = "relu",
    loss: Annotated[str, typer.Option(help="cross-entropy or mean-squared-error.")] = "cross-entropy",
    strategy: Strategies = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Predict bytes and time of every derivation of a network on this machine, and which fit."""
    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads

    from backprop import Network
    from backprop.bench.budget import Budget
    from backprop.bench.console import make_console
    from backprop.bench.prediction import predictions, print_predictions
    from backprop.bench.progress import working
    from backprop.registry import select_strategies

    budget = Budget.parse(memory_budget, time_budget)
    made = Network.parse(network, activation=activation, loss=loss)
    chosen = select_strategies(strategy or [])
    with working("measuring the limits of the machine"):
        rows = predictions(made, batch, dtype, chosen, budget)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print_predictions(make_console(), made, batch, dtype, budget, rows)

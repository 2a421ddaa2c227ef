"""`backprop predict`: what each derivation would need for a network, without running it."""

from __future__ import annotations

import json

from backprop.bench.commands import options

EXAMPLES = """
  backprop predict                              784-512-10, batch 32, float64
  backprop predict --network 768-3072-768 --batch 8 --dtype float32
  backprop predict --memory-budget 20GB -s batched-jacobian
"""


def predict(
    network: options.NetworkSizes = "784-512-10",
    activation: options.Activation = "relu",
    loss: options.LossName = "cross-entropy",
    batch: options.BatchSize = 32,
    dtype: options.Dtype = "float64",
    strategy: options.StrategiesOfNoSuite = None,
    memory_budget: options.MemoryBudget = None,
    time_budget: options.TimeBudget = None,
    threads: options.Threads = 1,
    as_json: options.AsJson = False,
) -> None:
    """Predict memory and time of every strategy for a network.

    Only the speed of this machine and one forward pass are measured. The table says which strategies fit the budgets.
    """
    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads

    from backprop import Network
    from backprop.bench.budget import Budget
    from backprop.bench.console import make_console
    from backprop.bench.prediction import predictions, print_predictions
    from backprop.bench.progress import Progress
    from backprop.registry import select_strategies

    budget = Budget.parse(memory_budget, time_budget)
    made = Network.parse(network, activation=activation, loss=loss)
    chosen = select_strategies(strategy or [])
    with Progress("measuring the limits of the machine"):
        rows = predictions(made, batch, dtype, chosen, budget)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print_predictions(make_console(), made, batch, dtype, budget, rows)

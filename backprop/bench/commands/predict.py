"""`backprop predict`: what each derivation would need for a network, without running it."""

from __future__ import annotations

import json

from backprop.bench.commands.options import (
    Activation,
    AsJson,
    BatchSize,
    Dtype,
    LossName,
    MemoryBudget,
    NetworkSizes,
    StrategiesOfNoSuite,
    Threads,
    TimeBudget,
)

EXAMPLES = """
  backprop predict                              784-512-10, batch 32, float64
  backprop predict --network 768-3072-768 --batch 8 --dtype float32
  backprop predict --memory-budget 20GB -s batched-jacobian
"""


def predict(
    network: NetworkSizes = "784-512-10",
    activation: Activation = "relu",
    loss: LossName = "cross-entropy",
    batch: BatchSize = 32,
    dtype: Dtype = "float64",
    strategy: StrategiesOfNoSuite = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Predict memory and time of every strategy for a network.

    Only the speed of this machine and one forward pass are measured. The table says which strategies fit the budgets.
    """
    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads

    from backprop import Network
    from backprop.bench.console import make_console
    from backprop.bench.forecast import Budget
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

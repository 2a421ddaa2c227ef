"""`backprop accuracy`: measured errors beside their models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import options

EXAMPLES = """
  backprop accuracy -s short-form,finite-differences
  backprop accuracy --out results/accuracy      every strategy, with pictures
"""


def accuracy(
    strategy: options.StrategiesOfNoSuite = None,
    peers: options.Peers = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="no files",
            help="The folder for accuracy.csv, accuracy.md and pictures.",
        ),
    ] = None,
    memory_budget: options.MemoryBudget = None,
    fresh: options.Fresh = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure every strategy's error beside its error model.

    The error is measured over dtype, batch, width, depth, step and scale of the logits. Exit code 1 means that an
    error is larger than its model allows.
    """
    from backprop.bench.threads import fix_threads

    fix_threads(1)  # before NumPy loads

    import json
    import sys

    from backprop.bench.accuracy import experiments
    from backprop.bench.budget import Budget
    from backprop.bench.console import make_console, print_written
    from backprop.bench.files import check_folder, keep
    from backprop.bench.progress import Progress, tracked
    from backprop.bench.report.accuracy import accuracy_frame, broken, print_accuracy, write_accuracy
    from backprop.registry import select_strategies

    chosen = select_strategies(strategy or [], peers=peers)
    if out is not None:
        check_folder("Errors and pictures", out)
        keep([out / "accuracy.csv"], fresh)
    budget = Budget.parse(memory_budget, None)
    planned = list(experiments(chosen, budget.memory_bytes))
    if left_out := len(list(experiments(chosen))) - len(planned):
        print(f"Note: {left_out} cells are over the memory budget and left out.", file=sys.stderr)
    rows = [one.measure() for one in tracked(planned, "measuring", str)]
    frame = accuracy_frame(rows)
    with Progress("writing the report"):
        written = write_accuracy(out, frame) if out else []
    wrong = broken(frame)
    if as_json:
        print(json.dumps({"rows": json.loads(frame.to_json(orient="records")), "broken": len(wrong)}))
    else:
        console = make_console()
        print_accuracy(console, frame)
        print_written(written)
    if len(wrong):
        raise typer.Exit(1)

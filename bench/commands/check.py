"""`backprop check`: is a gradient right, and if not, what is wrong with it?"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from bench.commands.options import AsJson, MemoryBudget, Threads


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            help="file.py:function or package.module:function, called with (params, inputs, labels)."
        ),
    ] = None,
    network: Annotated[str, typer.Option(help="Its sizes.")] = "784-512-10",
    activation: Annotated[str, typer.Option(help="After every hidden layer.")] = "relu",
    loss: Annotated[str, typer.Option(help="cross-entropy or mean-squared-error.")] = "cross-entropy",
    batch: Annotated[int, typer.Option(help="Samples of the batch.")] = 16,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    weight_decay: Annotated[float, typer.Option(help="λ, where the loss has λ/2 Σ W².")] = 0.0,
    timeout: Annotated[str, typer.Option(help="The longest that it may take.")] = "60s",
    seed: Annotated[int, typer.Option(min=0, help="Of the parameters and of the choice of samples.")] = 0,
    threads: Threads = 1,
    memory_budget: MemoryBudget = None,
    kinds: Annotated[bool, typer.Option("--kinds", help="List and explain all kinds of mistakes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a gradient derived by hand: exit 0 right, 1 wrong, 2 where it cannot be checked."""
    if kinds:
        from bench.check.kinds import show_kinds

        show_kinds(as_json)
        return
    if target is None:
        from backprop.errors import CheckError

        raise CheckError("The target is missing; expected file.py:function or package.module:function.")

    from bench.check.job import Job
    from bench.check.process import Child

    job = Job(target, network, activation, loss, batch, dtype, seed, weight_decay, threads, memory_budget)
    try:
        with Child(job) as child:
            from bench.budget import parse_seconds  # all this loads while the child works
            from bench.check.show import show

            answers = child.answers(parse_seconds("timeout", timeout))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        raise typer.Exit(130) from None
    if answers.error is not None:
        from backprop.errors import CheckError

        for text in (answers.printed, answers.traceback):
            if text:
                print(text.rstrip("\n"), file=sys.stderr)
        raise CheckError(answers.error)
    assert answers.check is not None
    if as_json:
        found = {
            "target": target,
            "network": answers.network,
            "batch": batch,
            "dtype": dtype,
            "seed": seed,
            **answers.check,
            "costs": answers.costs,
            "without_costs": answers.without_costs,
            "printed": answers.printed,
        }
        print(json.dumps(found, indent=2))
    else:
        show(job, answers)
    code = {"right": 0, "wrong": 1, "undecided": 2}[answers.check["verdict"]]
    if code:
        raise typer.Exit(code)

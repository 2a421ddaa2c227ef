"""`backprop check`: is a gradient right, and if not, what is wrong with it?"""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from backprop.bench.commands.options import AsJson, Threads
from backprop.errors import CheckError


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            help="file.py:function, file.py:Class.method, notebook.ipynb:function or package.module:function; "
            "called with (params, inputs, labels), in the layout that it wants."
        ),
    ] = None,
    network: Annotated[str, typer.Option(help="Its sizes.")] = "784-512-10",
    activation: Annotated[str, typer.Option(help="After every hidden layer.")] = "relu",
    loss: Annotated[
        str, typer.Option(help="Such as cross-entropy, mean-squared-error, binary-cross-entropy, hinge.")
    ] = "cross-entropy",
    output: Annotated[
        str | None,
        typer.Option(
            help="After the last layer: softmax, sigmoid, tanh, none, …; default: what the loss needs."
        ),
    ] = None,
    no_bias: Annotated[bool, typer.Option("--no-bias", help="The layers have no biases.")] = False,
    batch: Annotated[int, typer.Option(help="Samples of the batch.")] = 16,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    weight_decay: Annotated[float, typer.Option(help="λ, where the loss has λ/2 Σ W².")] = 0.0,
    rtol: Annotated[
        float | None,
        typer.Option(help="How exact it need be, such as 1e-6; default: as exact as rounding allows."),
    ] = None,
    timeout: Annotated[str, typer.Option(help="The longest that it may take.")] = "60s",
    memory_limit: Annotated[
        str | None,
        typer.Option(
            help="The most memory that your code, and the check, may take, such as 2GB; default: what is free."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the parameters and of the choice of samples.")] = 0,
    threads: Threads = 1,
    kinds: Annotated[bool, typer.Option("--kinds", help="List and explain all kinds of mistakes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a gradient derived by hand: exit 0 right, 1 wrong, 2 where it cannot be checked."""
    if kinds:
        from backprop.bench.check.show import show_kinds

        show_kinds(as_json)
        return
    if target is None:
        raise CheckError("The target is missing; expected file.py:function or package.module:function.")

    from backprop.bench.threads import thread_variables

    os.environ.update(thread_variables(threads))  # before NumPy loads

    from backprop.bench.budget import available_memory_bytes, parse_bytes, parse_seconds
    from backprop.bench.check.job import Job
    from backprop.bench.check.judge import check_target
    from backprop.bench.check.show import show

    timeout_s = parse_seconds("timeout", timeout)
    memory_bytes = (
        available_memory_bytes() if memory_limit is None else parse_bytes("memory limit", memory_limit)
    )
    job = Job(
        target,
        network,
        activation,
        loss,
        batch,
        dtype,
        seed,
        weight_decay,
        threads,
        rtol,
        output,
        not no_bias,
    )
    try:
        answers = check_target(job, timeout_s, memory_bytes)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    if answers.error is not None:
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

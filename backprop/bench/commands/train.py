"""`backprop train`: the network trained to the end with any derivation, or several compared by learning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import completion
from backprop.bench.commands.options import (
    LIST,
    ActivationIfGiven,
    AsJson,
    DataIfGiven,
    DtypeIfGiven,
    Fresh,
    LossIfGiven,
    NetworkIfGiven,
    NoBias,
    OneStrategy,
    Output,
    Threads,
    memory_budget_option,
    separated,
    time_budget_option,
)

EXAMPLES = """
  backprop train                         5 epochs on the digits in the package
  backprop train --data mnist --epochs 10 --out results/mine
  backprop train --compare short-form,full-jacobian --seconds 20
  backprop train --resume results/mine   go on after an interrupt
"""


def train(
    strategy: OneStrategy = None,
    data: DataIfGiven = None,
    network: NetworkIfGiven = None,
    activation: ActivationIfGiven = None,
    loss: LossIfGiven = None,
    output: Output = None,
    no_bias: NoBias = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="5, or as many as --seconds allow",
            help="How often every training image is used.",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="128",
            help="The samples of one step: more than the 32 of other commands, because a larger step takes less "
            "time per sample.",
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            show_default="1",
            help="Move the images of every batch at random by up to this many pixels; 0 moves none.",
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="momentum",
            autocompletion=completion.optimizers,
            help="sgd, momentum or adam.",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", show_default="as the optimizer has it", help="The learning rate at the start."
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="linear",
            help="How the learning rate falls: constant (it does not), linear or cosine (to 0 at the end).",
        ),
    ] = None,
    dtype: DtypeIfGiven = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="0",
            help="The seed of the first weights, of the order of the images, and of their shifts.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Train for this time, tests not counted. The learning rate then follows the clock.",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            callback=separated,
            autocompletion=completion.strategies,
            help="Compare what each of these strategies has learnt after the same --seconds, 20 by default. "
            f"{LIST}",
        ),
    ] = None,
    threads: Threads = 1,
    memory_budget: Annotated[
        str | None,
        memory_budget_option(
            help="The most memory that the training may need, such as 2GB. One that needs more is refused, or left "
            "out of --compare."
        ),
    ] = None,
    time_budget: Annotated[
        str | None,
        time_budget_option(
            help="The most time that one step may need, such as 5min, or the --seconds where they are more. A "
            "strategy that needs more is left out of --compare."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="a new folder, results/TIME-training, or that of --resume",
            help="The folder for weights, reports and pictures.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Go on with the training in this folder, or in this file weights.npz, as if it had not been "
            "interrupted. With a constant --schedule a larger number of --epochs adds epochs.",
        ),
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Train the network on digits with any strategy.

    The loss and the accuracy on the test images are reported. With --compare, several strategies train for the same
    time.
    """
    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads

    from backprop.bench.training.command import Request, run_compare, run_train

    request = Request(
        given={
            "strategy": strategy,
            "network": network,
            "activation": activation,
            "loss": loss,
            "output": output,
            "bias": False if no_bias else None,
            "epochs": epochs,
            "batch_size": batch,
            "shift": shift,
            "optimizer": optimizer,
            "learning_rate": lr,
            "schedule": schedule,
            "dtype": dtype,
            "seed": seed,
            "seconds": seconds,
        },
        data=data,
        memory_budget=memory_budget,
        time_budget=time_budget,
        fresh=fresh,
        as_json=as_json,
    )
    code = run_train(request, resume, out) if compare is None else run_compare(request, compare, resume, out)
    sys.exit(code)

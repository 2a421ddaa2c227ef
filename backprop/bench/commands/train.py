"""`backprop train`: the network trained to the end with any derivation, or several compared by learning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import completion, options

EXAMPLES = """
  backprop train                         5 epochs on the digits in the package
  backprop train --data mnist --epochs 10 --out results/mine
  backprop train --compare short-form,full-jacobian --seconds 20
  backprop train --resume results/mine   go on after an interrupt
"""

Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="5, or as many as --seconds allow",
        help="How often every training image is used.",
    ),
]
StepSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="128",
        help="The samples of one step: more than the 32 of other commands, because a larger step takes less "
        "time per sample.",
    ),
]
Shift = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        show_default="1",
        help="Move the images of every batch at random by up to this many pixels; 0 moves none.",
    ),
]
Optimizer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="momentum",
        autocompletion=completion.optimizers,
        help="sgd, momentum or adam.",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        metavar="RATE", show_default="as the optimizer has it", help="The learning rate at the start."
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="linear",
        help="How the learning rate falls: constant (it does not), linear or cosine (to 0 at the end).",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="0",
        help="The seed of the first weights, of the order of the images, and of their shifts.",
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Train for this time, tests not counted. The learning rate then follows the clock.",
    ),
]
Compared = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        callback=options.separated,
        autocompletion=completion.strategies,
        help="Compare what each of these strategies has learnt after the same --seconds, 20 by default. "
        f"{options.LIST}",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default="a new folder, results/TIME-training, or that of --resume",
        help="The folder for weights, reports and pictures.",
    ),
]
ResumedFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Go on with the training in this folder, or in this file weights.npz, as if it had not been "
        "interrupted. With a constant --schedule a larger number of --epochs adds epochs.",
    ),
]
TrainingMemory = Annotated[
    str | None,
    options.memory_budget_option(
        help="The most memory that the training may need, such as 2GB. One that needs more is refused, or left "
        "out of --compare."
    ),
]
StepTime = Annotated[
    str | None,
    options.time_budget_option(
        help="The most time that one step may need, such as 5min, or the --seconds where they are more. A "
        "strategy that needs more is left out of --compare."
    ),
]


def train(
    strategy: options.OneStrategy = None,
    data: options.DataIfGiven = None,
    network: options.NetworkIfGiven = None,
    activation: options.ActivationIfGiven = None,
    loss: options.LossIfGiven = None,
    output: options.Output = None,
    no_bias: options.NoBias = False,
    epochs: Epochs = None,
    batch: StepSize = None,
    shift: Shift = None,
    optimizer: Optimizer = None,
    lr: LearningRate = None,
    schedule: Schedule = None,
    dtype: options.DtypeIfGiven = None,
    seed: Seed = None,
    seconds: Seconds = None,
    compare: Compared = None,
    threads: options.Threads = 1,
    memory_budget: TrainingMemory = None,
    time_budget: StepTime = None,
    out: Folder = None,
    resume: ResumedFolder = None,
    fresh: options.Fresh = False,
    as_json: options.AsJson = False,
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

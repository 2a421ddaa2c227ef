"""`backprop train`: the network trained to the end with any derivation, or several compared by learning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands.options import AsJson, Fresh, MemoryBudget, Threads, TimeBudget


def train(
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="short-form by default, or file.py:Class.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="sample (shipped, the default), mnist (whole), or a folder or file of images."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Its sizes; by default those of the data, with 512 hidden units.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help="relu by default.")] = None,
    loss: Annotated[str | None, typer.Option(help="cross-entropy by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="5 by default, or as many as the seconds allow.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples of one step; 128 by default.")] = None,
    shift: Annotated[
        int | None,
        typer.Option(help="Move each batch by so many pixels at random; 1 by default, 0 for none."),
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, momentum (the default) or adam.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; by default that of the optimizer.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="constant, linear (the default: to nothing at the end) or cosine."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 by default, or float64.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and order; 0 by default.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Train so long, tests not counted; the schedule follows the clock.")
    ] = None,
    threads: Threads = 1,
    resume: Annotated[
        Path | None, typer.Option(help="Continue exactly: a weights.npz, or the folder with it.")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Strategies, with commas: what each has learnt after the same --seconds."),
    ] = None,
    memory_budget: MemoryBudget = None,
    time_budget: TimeBudget = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="For weights and reports: a new folder, results/TIME-training, or where --resume is."
        ),
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Train a network on a data set, and report its accuracy."""
    from backprop.bench.threads import fix_threads

    fix_threads(threads)  # before NumPy loads

    from backprop.bench.training.command import Request, run_compare, run_train

    request = Request(
        given={
            "strategy": strategy,
            "network": network,
            "activation": activation,
            "loss": loss,
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

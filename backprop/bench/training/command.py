"""What `backprop train` does: checks what the user said, trains or compares, prints and writes the results."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backprop import find_strategy, units
from backprop.bench.budget import Budget
from backprop.bench.commands import INTERRUPTED
from backprop.bench.console import make_console, print_written
from backprop.bench.files import TRAINING, check_folder, found, keep, lead_to, new_folder
from backprop.bench.progress import Progress
from backprop.bench.scenarios import load
from backprop.bench.training import reports
from backprop.bench.training.compare import Learnt, compare
from backprop.bench.training.session import (
    WEIGHTS,
    Outcome,
    check_memory,
    check_room,
    make_folder,
    run_training,
    stop_on_interrupt,
    training_display,
)
from backprop.data import Dataset
from backprop.registry import strategies_meant
from backprop.training import (
    USUAL,
    Checkpoint,
    CheckpointError,
    Metrics,
    Settings,
    SettingsError,
    Trainer,
    find_optimizer,
    load_checkpoint,
)
from backprop.training.batches import Batches
from backprop.training.loop import check_data

DEFAULT_DATA = "sample"
_OPTIONS = {"batch_size": "batch", "learning_rate": "lr"}
"""Settings whose option on the command line has another name."""


@dataclass(frozen=True)
class Request:
    """What was asked for: settings by name, None where nothing was said, and what is no setting."""

    given: dict[str, Any]
    data: str | None
    memory_budget: str | None
    time_budget: str | None
    fresh: bool
    as_json: bool

    @property
    def said(self) -> dict[str, Any]:
        """The settings that the user gave."""
        return {name: value for name, value in self.given.items() if value is not None}

    def settings(self, **defaults: Any) -> Settings:
        """The settings of a new training: what was said, `defaults`, those of the network, of `Settings`."""
        said = self.said
        if "seconds" in said:
            said.setdefault("epochs", None)  # the seconds alone decide
        optimizer = find_optimizer(said.get("optimizer", Settings.optimizer))
        usual = USUAL.get(said.get("network", ""), {}) if optimizer.name == Settings.optimizer else {}
        return Settings(**{"learning_rate": optimizer.learning_rate, **usual, **defaults, **said})

    def fitted(self, settings: Settings, dataset: Dataset) -> Settings:
        """The settings with a network of the data's sizes, where the user gave none."""
        if "network" in self.said:
            return settings
        _, *hidden, _ = settings.build_network().all_sizes
        sizes = [dataset.pixels, *hidden, dataset.classes]
        return replace(settings, network="-".join(map(str, sizes)))


def run_train(request: Request, resume: Path | None, out: Path | None) -> int:
    """Train once; the exit code."""
    budget = Budget.parse(request.memory_budget, request.time_budget)
    settings, checkpoint, folder = _start(request, resume, out)
    check_folder("Weights and reports", folder)
    source = request.data or (checkpoint.source if checkpoint else DEFAULT_DATA)
    dataset = load(source)
    if checkpoint is None:
        settings = request.fitted(settings, dataset)
    check_memory(settings, find_strategy(settings.strategy), budget.memory_bytes)
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels, source)
    if checkpoint is not None:
        trainer.resume(checkpoint)
    check_room(trainer, folder)
    _make_room(folder, WEIGHTS, request, resume)
    if out is None and resume is None:
        lead_to(folder, TRAINING)
    outcome = run_training(trainer, dataset, folder)
    with Progress("writing the report"):
        metrics = outcome.evaluation.metrics()
        written = reports.write_training(folder, outcome, metrics, dataset)
    _print_training(request, outcome, metrics, dataset, [outcome.weights, *written])
    return INTERRUPTED if outcome.interrupted else 0


def run_compare(request: Request, names: list[str], resume: Path | None, out: Path | None) -> int:
    """Train with each strategy for the same seconds; the exit code."""
    if resume is not None or "strategy" in request.said or "epochs" in request.said:
        raise SettingsError(
            "A comparison takes its strategies from --compare and its end from --seconds; expected no "
            "--strategy, --epochs or --resume beside it."
        )
    settings = request.settings(seconds=20.0, epochs=None, schedule="constant")
    budget = Budget.parse(request.memory_budget, request.time_budget)
    wanted = list(dict.fromkeys(one for name in names for one in strategies_meant(name)))
    strategies = {name: find_strategy(name) for name in wanted}
    dataset = load(request.data or DEFAULT_DATA)
    settings = request.fitted(settings, dataset)
    images, labels = dataset.train_images, dataset.train_labels
    check_data(settings, images, labels)
    dtype, rng = np.dtype(settings.dtype), np.random.default_rng()
    per_epoch = Batches(images, labels, settings.batch_size, dtype, rng, settings.shift).per_epoch
    folder = out or new_folder(TRAINING)
    check_folder("Reports and pictures", folder)
    _make_room(folder, "compare.json", request)
    if out is None:
        lead_to(folder, TRAINING)
    with stop_on_interrupt() as stopped, training_display(wanted) as watch:
        rows = compare(settings, strategies, dataset, budget, stopped, watch)
    command = shlex.join(["backprop", *sys.argv[1:]])
    with Progress("writing the report"):
        written = reports.write_comparison(folder, rows, per_epoch, command)
    interrupted = stopped()
    _print_comparison(request, settings, rows, per_epoch, written, interrupted)
    return INTERRUPTED if interrupted else 0


def _start(
    request: Request, resume: Path | None, out: Path | None
) -> tuple[Settings, Checkpoint | None, Path]:
    """The settings, the checkpoint to continue from, and the folder to write to."""
    if resume is None:
        return request.settings(), None, out or new_folder(TRAINING)
    resume = found(resume)
    path = resume / WEIGHTS if os.path.isdir(resume) else resume  # noqa: PTH112  # Path raises for a name too long
    checkpoint = load_checkpoint(path)
    own = checkpoint.settings.to_json()
    for name, value in _with_more_epochs(checkpoint, request.said).items():
        if own[name] != value:
            option = _OPTIONS.get(name, name)
            was, got = f"with --{option} {own[name]}", f"--{option} {value}"
            if name == "bias":
                was, got = "with biases", "--no-bias"
            raise CheckpointError(
                f"The weights file {str(path)!r} is of a training {was}; got {got}, expected the same: leave "
                "it out, or train anew without --resume."
            )
    return checkpoint.settings, checkpoint, out or path.parent


def _with_more_epochs(checkpoint: Checkpoint, said: dict[str, Any]) -> dict[str, Any]:
    """What was said besides epochs that can be added; those are put into the checkpoint's settings.

    A constant learning rate does not know where the training ends, so the weights are those of a training that was
    begun with as many epochs. Raises `CheckpointError` for another schedule.
    """
    old, new = checkpoint.settings.epochs, said.get("epochs")
    if old is None or new is None or new <= old:
        return said
    if checkpoint.settings.schedule != "constant":
        raise CheckpointError(
            f"The training was begun with --epochs {old} and --schedule {checkpoint.settings.schedule}, which lowers "
            "the learning rate to 0 at the end, so no epochs can be added; expected a new training with --epochs "
            f"{new}, or one begun with --schedule constant."
        )
    checkpoint.settings = replace(checkpoint.settings, epochs=new)
    return {name: value for name, value in said.items() if name != "epochs"}


def _make_room(folder: Path, name: str, request: Request, resume: Path | None = None) -> None:
    """The folder, where nothing of that name is, or what is continued; else only with --fresh."""
    file = make_folder(folder) / name
    own = () if resume is None else (resume, resume / name)
    if not any(one.is_file() and file.is_file() and one.samefile(file) for one in own):
        keep([file], request.fresh)


def _print_training(
    request: Request, outcome: Outcome, metrics: Metrics, dataset: Dataset, written: list[Path]
) -> None:
    if request.as_json:
        values = reports.training_json(outcome, metrics) | {"data": dataset.name}
        print(reports.as_json(values | {"written": [str(path) for path in written]}), end="")
    else:
        console, trainer = make_console(), outcome.trainer
        title = f"{trainer.network} on {dataset.name} by {trainer.settings.strategy}"
        reports.print_metrics(console, metrics, title)
        epochs = trainer.step / trainer.batches.per_epoch
        console.print(
            f"{trainer.step:,} steps, {epochs:.2f} epochs in {units.seconds(trainer.seconds)} of training: "
            f"test accuracy {metrics.accuracy:.2%}"
        )
        print_written(written)
    if outcome.interrupted:
        print(f"Interrupted; continue with --resume {shlex.quote(str(outcome.weights))}.", file=sys.stderr)


def _print_comparison(
    request: Request,
    settings: Settings,
    rows: list[Learnt],
    per_epoch: int,
    written: list[Path],
    interrupted: bool,
) -> None:
    if request.as_json:
        values = {
            "settings": {**settings.to_json(), "strategy": None},
            "strategies": [row.to_json() for row in rows],
            "written": [str(path) for path in written],
            "interrupted": interrupted,
        }
        print(reports.as_json(values), end="")
    else:
        title = (
            f"{settings.network}, batch {settings.batch_size}, {settings.dtype}: {settings.seconds:g} s each"
        )
        console = make_console()
        reports.print_comparison(console, rows, per_epoch, title)
        print_written(written)
    if interrupted:
        print("Interrupted; what was learnt so far is kept.", file=sys.stderr)

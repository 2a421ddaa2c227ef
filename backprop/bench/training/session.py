"""One training from the command line: progress on a terminal, a checkpoint every epoch, an orderly interrupt."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from backprop import Strategy, units
from backprop.bench.files import writing
from backprop.bench.progress import Progress
from backprop.data import Dataset
from backprop.errors import BudgetError
from backprop.training import DivergenceError, Evaluation, Settings, Trainer, find_optimizer, save_checkpoint

WEIGHTS = "weights.npz"

Stopped = Callable[[], bool]
Watch = Callable[[Trainer, float], None]


@dataclass(frozen=True)
class Outcome:
    """A training that ended: finished, or interrupted after a whole step."""

    trainer: Trainer
    evaluation: Evaluation
    weights: Path
    interrupted: bool


def run_training(trainer: Trainer, dataset: Dataset, folder: Path) -> Outcome:
    """Train until it is finished or interrupted; the weights are saved at every epoch and at the end.

    Raises `DivergenceError` after the last good weights have been saved, and `OutputError` where they cannot be
    written; `check_room` tells that before the first step.
    """
    weights = folder / WEIGHTS
    test = dataset.test_images, dataset.test_labels
    try:
        with stop_on_interrupt() as stopped, training_display([trainer.settings.strategy]) as watch:
            while not trainer.finished and not stopped():
                watch(trainer, trainer.take_step())
                if trainer.step % trainer.batches.per_epoch == 0 and not trainer.finished:
                    trainer.mark(*test)
                    save_checkpoint(weights, trainer.checkpoint())
            if trainer.finished and (not trainer.history or trainer.history[-1].step < trainer.step):
                evaluation = trainer.mark(*test)
            else:  # an interrupted training leaves no mark: its history is that of an undisturbed one
                evaluation = trainer.evaluate(*test)
            save_checkpoint(weights, trainer.checkpoint())
            return Outcome(trainer, evaluation, weights, interrupted=not trainer.finished)
    except DivergenceError as error:
        save_checkpoint(weights, trainer.checkpoint())
        error.weights = weights
        raise


def check_room(trainer: Trainer, folder: Path) -> None:
    """Make the folder and write the weights once; raises `OutputError` where that is not possible."""
    tried = (make_folder(folder) / WEIGHTS).with_suffix(".tmp")
    save_checkpoint(tried, trainer.checkpoint())
    tried.unlink()


def make_folder(folder: Path) -> Path:
    """The folder, made where it is missing; raises `OutputError` where that is not possible."""
    with writing("The weights", folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def training_bytes(settings: Settings, strategy: Strategy[Any]) -> int:
    """What a training should need: the strategy's own, and twice the parameters and the optimiser's state."""
    network, dtype = settings.build_network(), np.dtype(settings.dtype)
    vectors = 2 * (1 + len(find_optimizer(settings.optimizer).state_names))
    cost = strategy.predicted(network, settings.batch_size, dtype)
    own = 0 if cost is None else cost.peak_bytes
    return own + vectors * dtype.itemsize * network.parameter_count


def check_memory(settings: Settings, strategy: Strategy[Any], budget_bytes: float) -> None:
    """Raise `BudgetError` where training would need more memory, before any is taken."""
    needed = training_bytes(settings, strategy)
    if needed > budget_bytes:
        raise BudgetError(
            f"Training by {strategy.name} needs {units.data_size(needed)} for {settings.build_network().sizes} and "
            f"a batch of {settings.batch_size}; expected at most {units.data_size(budget_bytes)}, so take a smaller "
            "--batch or a larger --memory-budget."
        )


@contextmanager
def stop_on_interrupt() -> Iterator[Stopped]:
    """While it lasts, the first Ctrl-C only makes the function true; a second one raises as ever."""
    seen = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def training_display(names: Sequence[str]) -> Iterator[Watch]:
    """The progress of trainings by these strategies, one after another, with what each has learnt so far."""
    with Progress(f"training by {names[0]}", len(names)) as progress:
        resumed_at: float | None = None

        def watch(trainer: Trainer, loss: float) -> None:
            nonlocal resumed_at
            name = trainer.settings.strategy
            reached = names.index(name) + trainer.progress
            if resumed_at is None:
                resumed_at = reached
                progress.expect(len(names) - reached)
            accuracy = f"{trainer.history[-1].test_accuracy:.2%}" if trainer.history else "-"
            learnt = f"loss {trainer.mean_loss or loss:.4f}, test accuracy {accuracy}"
            progress.say(f"training by {name}: step {trainer.step:,}, {learnt}")
            progress.advance(reached - resumed_at - progress.done)

        yield watch

"""Derivations compared by learning: what each has learnt after the same time and after the same steps.

Every strategy trains for the same seconds from the same weights on the same batches, at a constant learning
rate, one strategy after another. Against steps, exact derivations lie on one curve; against time they lie
apart by what they cost. Evaluations, at steps 1, 2, 3, 4, 6, 8, 12, …, are not counted as training. A step
under way when the time is over is finished, so a slow derivation takes longer than it was given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from backprop import Strategy
from backprop.bench.budget import Budget
from backprop.bench.forecast import Speeds, predicted_time
from backprop.bench.machine import measure_limits
from backprop.bench.training.session import Stopped, Watch, training_bytes
from backprop.data import Dataset
from backprop.training import DivergenceError, Point, Settings, Trainer

Status = Literal["ok", "over-memory-budget", "over-time-budget", "unsupported", "diverged", "interrupted"]


@dataclass
class Learnt:
    """One strategy's row. steps, seconds, samples: of training. points: what it had learnt when, measured on
    `test_samples` images.
    """

    strategy: str
    status: Status
    reason: str = ""
    steps: int = 0
    seconds: float = 0.0
    samples: int = 0
    test_samples: int = 0
    points: list[Point] = field(default_factory=list)

    @property
    def seconds_per_step(self) -> float | None:
        """The mean; None where there was no step."""
        return self.seconds / self.steps if self.steps else None

    @property
    def test_accuracy(self) -> float | None:
        """The test accuracy at the end; None where nothing was tested."""
        return self.points[-1].test_accuracy if self.points else None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        values = dataclasses.asdict(self)
        values["points"] = [point._asdict() for point in self.points]
        return values | {"seconds_per_step": self.seconds_per_step, "test_accuracy": self.test_accuracy}


def compare(
    settings: Settings,
    strategies: Mapping[str, Strategy[Any]],
    dataset: Dataset,
    budget: Budget,
    stopped: Stopped,
    watch: Watch,
) -> list[Learnt]:
    """Train each strategy in turn for `settings.seconds`; what cannot run is a row with its reason.

    `strategies` has them by the name by which `find_strategy` finds them.
    """
    rows = []
    for name, strategy in strategies.items():
        if stopped():
            break
        row = forecast(settings, strategy, budget)
        if row.status == "ok":
            _learn(row, dataclasses.replace(settings, strategy=name), dataset, stopped, watch)
        rows.append(row)
    return rows


def forecast(settings: Settings, strategy: Strategy[Any], budget: Budget) -> Learnt:
    """An empty row; not `ok` where the strategy would exceed a budget. Allocates next to nothing.

    A step may take longer than the seconds of the comparison, but not than the time budget.
    """
    network, dtype = settings.build_network(), np.dtype(settings.dtype)
    reason = strategy.unsupported(network, dtype)
    if reason is not None:
        return Learnt(strategy.name, "unsupported", reason)
    cost = strategy.predicted(network, settings.batch_size, dtype)
    beyond = budget.beyond_memory(training_bytes(settings, strategy))
    if beyond is not None:
        return Learnt(strategy.name, "over-memory-budget", beyond)
    if cost is None:  # not predicted
        return Learnt(strategy.name, "ok")
    limits, n = measure_limits(dtype, rounds=1), settings.batch_size
    step_s = predicted_time(cost, network, n, Speeds.of(network, n, dtype, limits, budget.memory_bytes))
    most = max(budget.time_s, settings.seconds or 0)
    if step_s > most:
        return Learnt(
            strategy.name,
            "over-time-budget",
            f"one step takes about {step_s:.3g} s; the budget of a step is {most:.3g} s",
        )
    return Learnt(strategy.name, "ok")


def evaluation_steps() -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24, …: two to every doubling."""
    yield 1
    power = 2
    while True:
        yield from (power, power + power // 2)
        power *= 2


def _learn(row: Learnt, settings: Settings, dataset: Dataset, stopped: Stopped, watch: Watch) -> None:
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
    test = dataset.test_images, dataset.test_labels
    marks = evaluation_steps()
    following = next(marks)
    try:
        trainer.mark(*test)
        while not trainer.finished and not stopped():
            watch(trainer, trainer.take_step())
            if trainer.step == following:
                trainer.mark(*test)
                following = next(marks)
        if trainer.history[-1].step < trainer.step:
            trainer.mark(*test)
    except DivergenceError as error:
        row.status, row.reason = "diverged", str(error)
    row.points, row.steps, row.seconds = trainer.history, trainer.step, trainer.seconds
    row.samples, row.test_samples = trainer.step * settings.batch_size, len(dataset.test_labels)
    if row.status == "ok" and not trainer.finished:
        row.status, row.reason = "interrupted", f"after {row.seconds:.3g} of {settings.seconds:.3g} s"
    elif settings.seconds is not None and trainer.seconds > 1.2 * settings.seconds:
        row.reason = f"the last of its {row.steps} steps was finished after the {settings.seconds:.3g} s"

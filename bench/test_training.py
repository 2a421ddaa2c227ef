"""The step of a training under pytest-benchmark: data, gradient and optimiser, each apart, and together.

784-512-10, batch 128, float32, on `--data` with `--threads`; gradient by the short form.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from backprop.training import Trainer

pytestmark = pytest.mark.benchmark(group="training")
_OPTIMIZERS = ("sgd", "momentum", "adam")


@pytest.fixture
def trainer(request: pytest.FixtureRequest) -> Trainer:
    """A training that has taken a few steps and has no end; momentum, or the optimiser of the parameter."""
    from backprop.data import load
    from backprop.training import Settings, Trainer, find_optimizer

    dataset = load(request.config.getoption("data"))
    optimizer = getattr(request, "param", "momentum")
    settings = Settings(
        network=f"{dataset.train_images[0].size}-512-{dataset.classes}",
        optimizer=optimizer,
        learning_rate=find_optimizer(optimizer).learning_rate / 10,
        schedule="constant",
        epochs=1_000_000,
    )
    trainer = Trainer(settings, dataset.train_images, dataset.train_labels)
    for _ in range(20):
        trainer.take_step()
    return trainer


def test_data(benchmark: BenchmarkFixture, trainer: Trainer) -> None:
    """The next shuffled batch, gathered and scaled."""
    benchmark(trainer.batches.next)


def test_gradient(benchmark: BenchmarkFixture, trainer: Trainer) -> None:
    """Loss and gradient of one batch."""
    plan = trainer.strategy.prepare(trainer.network, trainer.settings.batch_size, trainer.params.dtype)
    batch = trainer.batches.next()
    benchmark(trainer.strategy.value_and_gradient, plan, trainer.params, batch)


@pytest.mark.parametrize("trainer", _OPTIMIZERS, indirect=True)
def test_optimizer(benchmark: BenchmarkFixture, trainer: Trainer) -> None:
    """One update of all parameters in place, at a rate that leaves them where they are."""
    plan = trainer.strategy.prepare(trainer.network, trainer.settings.batch_size, trainer.params.dtype)
    batch = trainer.batches.next()
    gradient = trainer.strategy.value_and_gradient(plan, trainer.params, batch).gradient.vector.copy()
    steps = itertools.count(trainer.step)
    benchmark(lambda: trainer.optimizer.update(gradient, 1e-12, next(steps)))


def test_step(benchmark: BenchmarkFixture, trainer: Trainer) -> None:
    """All of it: what an epoch is made of."""
    benchmark(trainer.take_step)

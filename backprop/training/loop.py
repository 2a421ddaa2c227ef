"""The training loop: batch, gradient by any strategy, step of the optimiser in place; again.

    g = ∂L/∂θ at θ on the next n samples        θ ← optimizer(θ, g, η · schedule(u))

Before a step every layer that draws at random draws anew, and after it running statistics follow those of the batch
(`Running`): the evaluation uses them, and leaves out what is drawn.

A `Trainer` holds the state of a training between two steps, all of it: what `checkpoint` gives and `resume`
takes continues bit for bit, as long as the matrix products are deterministic (one thread always is).
"""

from __future__ import annotations

import math
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from backprop.arrays import Array
from backprop.errors import BackpropError, DataError
from backprop.mlp import split_sizes
from backprop.overflow import loss_of_closed_form
from backprop.registry import find_strategy
from backprop.training.batches import Batches
from backprop.training.checkpoints import Checkpoint, CheckpointError, Point
from backprop.training.evaluation import Evaluation, Running, evaluate
from backprop.training.optimizers import find_optimizer
from backprop.training.settings import Settings, find_schedule

KEEP_EVERY = 100
"""Steps between two copies of the state to fall back on; a copy costs a third of one step."""


class DivergenceError(BackpropError, ArithmeticError):
    """A loss or weights that are no longer finite.

    step: the step, from 0, at which that was seen. learning_rate: the rate then in force. good_step: the
    step of the last good weights, at which the trainer now stands. weights: where they were saved, if so.
    """

    def __init__(self, what: str, step: int, learning_rate: float, good_step: int) -> None:
        super().__init__(what)
        self.what, self.step, self.learning_rate, self.good_step = what, step, learning_rate, good_step
        self.weights: Path | None = None

    def __str__(self) -> str:
        saved = f"; the last good weights, those of step {self.good_step}, are in {str(self.weights)!r}"
        return (
            f"{self.what} at step {self.step} with a learning rate of {self.learning_rate:.3g}; expected a "
            f"finite number, which a smaller learning rate keeps{'' if self.weights is None else saved}."
        )


class Trainer:
    """One training, step by step.

    images: uint8 (samples, height, width), or inputs (samples, i) of the settings' dtype.
    labels: class numbers (samples,).
    source: where the data came from, in the user's words; a checkpoint remembers it.

    params, step, seconds and history may be read at any time between two steps. `seconds` is the time spent
    in steps, without what the caller does between them.

    Raises `DataError` where an image or a class does not fit the network, `UnsupportedError` where the
    strategy cannot do it, and `ShapeError` for a batch of more samples than there are.
    """

    def __init__(self, settings: Settings, images: Array, labels: Array, source: str = "") -> None:
        self.settings, self.source = settings, source
        self.network = settings.build_network()
        dtype = np.dtype(settings.dtype)
        check_data(settings, images, labels)
        self.strategy = find_strategy(settings.strategy)
        self.strategy.check_supported(self.network, dtype)
        weights_seed, order_seed = np.random.SeedSequence(settings.seed).spawn(2)
        order = np.random.default_rng(order_seed)
        self.batches = Batches(images, labels, settings.batch_size, dtype, order, settings.shift)
        self.params = self.network.init(np.random.default_rng(weights_seed), dtype)
        self.running = Running(self.network, dtype)
        self.optimizer = find_optimizer(settings.optimizer)(self.params.vector)
        self.step = 0
        self.seconds = 0.0
        self.history: list[Point] = []
        self._losses, self._loss_steps = 0.0, 0  # since the last point of the history
        self._data = fingerprint(images, labels)
        self._schedule = find_schedule(settings.schedule)
        self._plan = self.strategy.prepare(self.network, settings.batch_size, dtype)
        self._good = self.checkpoint(copy=True)

    @property
    def planned_steps(self) -> int | None:
        """The steps of all epochs; None where only the seconds are limited."""
        epochs = self.settings.epochs
        return None if epochs is None else epochs * self.batches.per_epoch

    @property
    def progress(self) -> float:
        """u, the share of the training that is done, 0 to 1."""
        steps, seconds = self.planned_steps, self.settings.seconds
        shares = [self.step / steps if steps else 0.0, self.seconds / seconds if seconds else 0.0]
        return min(1.0, max(shares))

    @property
    def finished(self) -> bool:
        """Whether the planned steps or seconds are over."""
        return self.progress >= 1

    @property
    def learning_rate(self) -> float:
        """η of the next step."""
        return self.settings.learning_rate * self._schedule(self.progress)

    def take_step(self) -> float:
        """One step; returns the loss before it, on its batch.

        Raises `DivergenceError` at the first loss that is not finite, before anything is changed by it, and
        puts the trainer back to its last good state, at most `KEEP_EVERY` steps ago.
        """
        start = time.perf_counter()
        rate = self.learning_rate
        keep = self.step % KEEP_EVERY == 0
        position = self.batches.position if keep else None
        with np.errstate(over="ignore", invalid="ignore"):  # a divergence is found below, by its loss
            batch = self.batches.next()
            self._redraw()
            loss, gradient = self.strategy.value_and_gradient(self._plan, self.params, batch)
            if not math.isfinite(loss):
                finite = loss_of_closed_form(self.network, self.params, batch)
                instead = "" if finite is None else f" where the strategy short-form gives {finite:.4g}"
                raise self.diverged(f"The loss of {self.strategy.name} is {loss}{instead}")
            if position is not None:
                self.check_finite()
                self._good = replace(self.checkpoint(copy=True), position=position)
            self.running.follow(self.params, batch.inputs)
            self.optimizer.update(gradient.vector, rate, self.step)
        self._losses, self._loss_steps = self._losses + loss, self._loss_steps + 1
        self.step += 1
        self.seconds += time.perf_counter() - start
        return loss

    def mark(self, images: Array, labels: Array) -> Evaluation:
        """Evaluate on test data and add a point to the history; its time is not counted as training.

        Raises `DivergenceError`, as `take_step` does, where the weights or their loss are not finite.
        """
        evaluation = self.evaluate(images, labels)
        self.history.append(
            Point(self.step, self.seconds, self.mean_loss, evaluation.loss, evaluation.accuracy)
        )
        self._losses, self._loss_steps = 0.0, 0
        return evaluation

    def evaluate(self, images: Array, labels: Array) -> Evaluation:
        """As `mark`, without a trace in the history."""
        self.check_finite()
        with np.errstate(over="ignore", invalid="ignore"):
            evaluation = evaluate(self.network, self.params, images, labels, self.running)
        if not math.isfinite(evaluation.loss):
            raise self.diverged(f"The test loss is {evaluation.loss}")
        return evaluation

    @property
    def mean_loss(self) -> float:
        """The mean loss of the batches since the last point of the history; 0 where there was none."""
        return self._losses / max(1, self._loss_steps)

    def check_finite(self) -> None:
        """Raise `DivergenceError`, as `take_step` does, unless all weights are finite."""
        if not np.isfinite(self.params.vector).all():
            raise self.diverged("A weight is not finite")

    def diverged(self, what: str) -> DivergenceError:
        """The error to raise; the trainer is back at its last good state."""
        step, rate = self.step, self.learning_rate
        self.resume(self._good)
        return DivergenceError(what, step, rate, self.step)

    def checkpoint(self, *, copy: bool = False) -> Checkpoint:
        """The whole state between two steps; without `copy`, its arrays are the trainer's own."""
        return Checkpoint(
            settings=self.settings,
            params=self.params.copy() if copy else self.params,
            optimizer_state={k: v.copy() if copy else v for k, v in self.optimizer.state.items()},
            step=self.step,
            seconds=self.seconds,
            position=self.batches.position,
            history=list(self.history),
            losses=(self._losses, self._loss_steps),
            data=self._data,
            source=self.source,
            running={k: v.copy() if copy else v for k, v in self.running.values.items()},
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint of the same settings and data; raises `CheckpointError` for another."""
        if checkpoint.settings != self.settings:
            raise CheckpointError(
                f"The weights are of the training {checkpoint.settings}; expected {self.settings}."
            )
        if checkpoint.data != self._data:
            raise CheckpointError(
                f"The weights were trained on other data: got the fingerprint {checkpoint.data}, expected "
                f"{self._data}."
            )
        self.params.vector[...] = checkpoint.params.vector
        for name, vector in self.optimizer.state.items():
            vector[...] = checkpoint.optimizer_state[name]
        self.running.restore(checkpoint.running)
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        self.history = list(checkpoint.history)
        self._losses, self._loss_steps = checkpoint.losses
        self.batches.seek(checkpoint.position)

    def _redraw(self) -> None:
        """Let the layers draw for the next step, from a generator that the seed and the step's number make."""
        drawing = [layer for layer in self.network.layers if layer.draws]
        if drawing:
            rng = np.random.default_rng(np.random.SeedSequence(self.settings.seed, spawn_key=(2, self.step)))
            for layer in drawing:
                layer.redraw(rng)


def fingerprint(images: Array, labels: Array) -> str:
    """A checksum of the training data, to know it again: CRC-32 over images and labels, and the count."""
    crc = 0
    for array in (images, labels):
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}-{len(labels)}"


def check_data(settings: Settings, images: Array, labels: Array) -> None:
    """Raise `DataError` where an image or a class does not fit, and say what network would."""
    network = settings.build_network()
    pixels = math.prod(images.shape[1:])
    known = network.label_classes
    classes = max(known, int(labels.max()) + 1)
    if pixels == network.inputs and classes == known:
        return
    if network.is_mlp:
        hidden = split_sizes(settings.network)[1:-1]
        outputs = network.classes if classes == known else classes
        fitting = f" (train --network {'-'.join([str(pixels), *hidden, str(outputs)])} instead)"
    else:
        fitting = ""
    if pixels != network.inputs:
        size = " x ".join(map(str, images.shape[1:]))
        got = f"The images have {size} pixels, {pixels} inputs; expected {network.inputs}"
    else:
        got = f"The labels go up to {classes - 1}; expected at most {known - 1}"
    raise DataError(f"{got} for the network {settings.network}{fitting}.")

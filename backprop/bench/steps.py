"""The steps of one cell, with no process in them: what a strategy is asked for, in whatever place.

    warm_up    what is imported on first use, before anything is measured
    verify     one untimed call: its loss and its gradient, and under the memory tracker its peak memory
    learn      a few steps of gradient descent, and the accuracy that they lead to
    prepare    the plan, and calls until the first is over: ready for turns
    turn       calls for some milliseconds, and their mean time

A tracer slows what it watches, so nothing is timed while memory is tracked. Every step answers with what JSON can
hold, since a worker process takes the same steps (`backprop.bench.worker`).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop import Batch, Network, Parameters, Strategy, ValueAndGradient
from backprop.bench.clock import Call, seconds_per_call
from backprop.bench.forecast import Speeds, StrategyError
from backprop.bench.machine import measure_limits
from backprop.bench.memory import measure_peak
from backprop.bench.scenarios import Samples, Scenario
from backprop.layers import ACTIVATIONS, Layer
from backprop.peers.base import Peer
from backprop.verify import reference_gradient

if TYPE_CHECKING:
    from backprop.data import Dataset

WAKE_UP_S = 0.005
"""After a stop, caches are cold and pools asleep: the first milliseconds of a turn are not measured."""


@dataclass
class Workbench:
    """What all cells of one scenario share: data, parameters, the reference, the machine's speeds."""

    scenario: Scenario
    dataset: Dataset
    threads: int
    memory_bytes: float = math.inf

    @cached_property
    def samples(self) -> Samples:
        """The samples, which are made when the first cell that fits asks for them."""
        return self.scenario.samples(self.dataset)

    @cached_property
    def params(self) -> Parameters:
        """The parameters at which every strategy is measured."""
        return self.scenario.init()

    @cached_property
    def batch(self) -> Batch:
        """The first n training samples."""
        return self.step_batch(0)

    @cached_property
    def reference(self) -> Parameters:
        """The gradient that is taken as true."""
        return reference_gradient(self.scenario.network, self.params, self.batch)

    @cached_property
    def speeds(self) -> Speeds:
        """What the machine can do in this dtype, and the time of the loss."""
        one = self.scenario
        limits = measure_limits(one.dtype)
        return Speeds.of(one.network, one.batch_size, one.dtype, limits, self.memory_bytes)

    def step_batch(self, step: int) -> Batch:
        """The samples of a step of gradient descent; a data set that is used up begins again."""
        n = self.scenario.batch_size
        chosen = np.arange(step * n, (step + 1) * n) % len(self.samples.train.labels)
        return Batch(self.samples.train.inputs[chosen], self.samples.train.labels[chosen])


@dataclass
class Steps:
    """A strategy on the workbench of its scenario.

    slower_by: a planted slow-down, as a share of the time of a turn's calls.
    """

    bench: Workbench
    strategy: Strategy[Any]
    tracker: str
    slower_by: float = 0.0
    call: Call | None = None
    """What is timed, from `prepare` on."""

    def warm_up(self) -> dict[str, Any]:
        """One call on a few numbers: what is imported on first use is neither the strategy's memory nor its time."""
        strategy, scenario = self.strategy, self.bench.scenario
        block = np.ones((256, 256), scenario.dtype)
        np.matmul(block, block)  # a BLAS allocates its work space when it is first needed, and keeps it
        names = _names(scenario.network.layers)
        activation = next((name for name in names if name in ACTIVATIONS), "relu")
        tiny = Network.mlp(2, 2, 2, activation=activation, loss=scenario.network.loss_function.name)
        params = tiny.init(np.random.default_rng(0), scenario.dtype)
        batch = Batch(np.ones((2, 2), scenario.dtype), np.array([0, 1]))
        with contextlib.suppress(
            Exception
        ):  # a strategy need not know this network; what is wrong with it shows
            if strategy.unsupported(tiny, scenario.dtype) is None:
                strategy.value_and_gradient(strategy.prepare(tiny, 2, scenario.dtype), params, batch)
            self._plan()  # what the scenario's network needs may be imported here, too
        return {}

    def verify(self, gradient_path: str, is_tracked: bool = True) -> dict[str, Any]:
        """Peak memory and loss of one call; its gradient is written to `gradient_path`.

        is_tracked: without the tracker the call is faster, and nothing is known of its memory.

        Raises `StrategyError` for a gradient that is none, and whatever the strategy raises.
        """
        params, batch, memory = self.bench.params, self.bench.batch, dict[str, Any]()
        untouched = params.copy(), Batch(*(array.copy() for array in batch))

        def prepare_and_call() -> ValueAndGradient:
            return self.strategy.value_and_gradient(self._plan(), params, batch)

        if is_tracked:
            (loss, gradient), peak_bytes = measure_peak(prepare_and_call, self.tracker)
            _, prepare_peak_bytes = measure_peak(self._plan, self.tracker)
            memory = {
                "peak_bytes": peak_bytes,
                "prepare_peak_bytes": prepare_peak_bytes,
                "memory_tracker": self.tracker,
            }
        else:
            loss, gradient = prepare_and_call()
        _restore(params, batch, *untouched)
        if not isinstance(gradient, Parameters) or gradient.layout != params.layout:
            raise StrategyError(f"the gradient is {gradient!r}; expected {params!r}")
        if gradient.dtype != params.dtype:
            raise StrategyError(
                f"the gradient is {gradient.dtype}; expected {params.dtype}, as the parameters"
            )
        np.save(gradient_path, gradient.vector)
        return {"loss": float(loss)} | memory

    def learn(self) -> dict[str, Any]:
        """The test accuracy after steps from the same start on the same samples for every strategy."""
        scenario, params = self.bench.scenario, self.bench.params.copy()
        plan, rate = self._plan(), params.dtype.type(scenario.learning_rate)
        for step in range(scenario.learning_steps):
            _, gradient = self.strategy.value_and_gradient(plan, params, self.bench.step_batch(step))
            params.vector -= rate * gradient.vector
        test = self.bench.samples.test
        right = scenario.network.predict(params, test.inputs) == test.labels
        return {"test_accuracy": float(np.mean(right))}

    def prepare(self) -> dict[str, Any]:
        """The seconds that the plan took, and those of a call: pages are touched and code is fetched by then."""
        start = time.perf_counter()
        plan = self._plan()
        prepare_s = time.perf_counter() - start
        arguments = plan, self.bench.params, self.bench.batch
        if isinstance(self.strategy, Peer):  # its own work is timed, without the conversions
            self.call = self.strategy.bind(*arguments)
        else:
            self.call = lambda: self.strategy.value_and_gradient(*arguments)
        call_s = seconds_per_call(self.call, 0)
        if call_s < 10 * WAKE_UP_S:  # a first call that is short by nature may still have touched its pages
            seconds_per_call(self.call, 10 * WAKE_UP_S)
            call_s = min(seconds_per_call(self.call, WAKE_UP_S) for _ in range(3))  # one may be disturbed
        return {"prepare_s": prepare_s, "call_s": call_s}

    def turn(self, seconds: float, wake_up: bool) -> dict[str, Any]:
        """The mean time of a call in a turn of at least `seconds`, by the clock."""
        assert self.call is not None
        if wake_up:
            seconds_per_call(self.call, WAKE_UP_S)
        return {"call_s": seconds_per_call(self.call, seconds, self.slower_by)}

    def _plan(self) -> Any:
        scenario = self.bench.scenario
        return self.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)


def _restore(params: Parameters, batch: Batch, params_before: Parameters, batch_before: Batch) -> None:
    """Undo what a strategy did to what all strategies share, and raise `StrategyError` where it did."""
    arrays = {"parameters": params.vector, "inputs": batch.inputs, "labels": batch.labels}
    before = (params_before.vector, *batch_before)
    changed = [
        name
        for (name, array), old in zip(arrays.items(), before, strict=True)
        if not np.array_equal(array, old)
    ]
    for array, old in zip(arrays.values(), before, strict=True):
        array[...] = old
    if changed:
        raise StrategyError(f"the strategy changed the {' and '.join(changed)}; expected them untouched")


def _names(layers: Iterable[Layer]) -> Iterator[str]:
    """The names of layers, and of those inside of residual ones."""
    for layer in layers:
        yield layer.name
        yield from _names(getattr(layer, "layers", ()))

"""One cell: a strategy in a scenario, measured in this process.

Four passes, because a tracer slows what it watches and a benchmark of wrong results is worth nothing:

    forecast   predicted cost against the budgets, before anything is allocated
    verify     under the memory tracer, untimed: peak memory, and the gradient against the reference
    time       undisturbed: raw samples, and turn by turn the ratios to the short form and to the baselines
    learn      a few steps of gradient descent, and the accuracy that they lead to
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop import (
    Batch,
    Network,
    Parameters,
    Strategy,
    ValueAndGradient,
    find_strategy,
)
from backprop.bench.baselines import SHORT_FORM, loss_call, products_call
from backprop.bench.budget import Budget
from backprop.bench.clock import median_ratios, seconds_per_call
from backprop.bench.forecast import Speeds, StrategyError, blank_record, failed, forecast
from backprop.bench.machine import measure_limits
from backprop.bench.memory import measure_peak
from backprop.bench.record import Record
from backprop.bench.scenarios import Samples, Scenario
from backprop.peers.base import Peer
from backprop.verify import gradient_error, kinked_parameters, reference_gradient

if TYPE_CHECKING:
    from backprop.data import Dataset

FEWEST_ROUNDS = 3
_FEWEST_CALLS = 2 + FEWEST_ROUNDS
"""Calls that a cell makes beside its learning steps: one to verify, one to warm up, and the rounds."""

Call = Callable[[], object]


@dataclass
class Workbench:
    """What all cells of one scenario share: data, parameters, the reference, the machine's limits."""

    scenario: Scenario
    dataset: Dataset
    threads: int
    memory_bytes: float = math.inf

    @cached_property
    def samples(self) -> Samples:
        """Made when the first cell that fits asks for them."""
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
class Cell:
    """A strategy on the workbench of its scenario; `record` fills up pass by pass."""

    strategy: Strategy[Any]
    bench: Workbench
    budget: Budget
    tracker: str = "tracemalloc"
    record: Record = field(init=False)
    gradient: Parameters | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.record = blank_record(self.strategy, self.bench.scenario, self.bench.threads)

    # forecast -------------------------------------------------------------------------------------

    def forecast(self, calls: int | None = None) -> bool:
        """Fill in the predicted figures; whether the cell may run, else the record says why not.

        `calls` is how often the strategy will be called; by default as often as all passes need.
        """
        calls = calls or _FEWEST_CALLS + self.bench.scenario.learning_steps
        return forecast(
            self.record, self.strategy, self.bench.scenario, self.bench.speeds, self.budget, calls
        )

    # verify ---------------------------------------------------------------------------------------

    def verify(self) -> None:
        """Peak memory and the gradient, in one untimed call under the tracker."""
        scenario, bench = self.bench.scenario, self.bench
        _warm_up(self.strategy, scenario)
        params, batch = bench.params, bench.batch

        untouched = params.copy(), Batch(*(array.copy() for array in batch))

        def prepare() -> Any:
            return self.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)

        def prepare_and_call() -> ValueAndGradient:
            return self.strategy.value_and_gradient(prepare(), params, batch)

        (loss, gradient), self.record.peak_bytes = measure_peak(prepare_and_call, self.tracker)
        _, self.record.prepare_peak_bytes = measure_peak(prepare, self.tracker)
        self.record.memory_tracker = self.tracker
        _restore(params, batch, *untouched)
        self.record.loss = float(loss)
        if not isinstance(gradient, Parameters) or gradient.layout != params.layout:
            raise StrategyError(f"the gradient is {gradient!r}; expected {params!r}")
        if gradient.dtype != params.dtype:
            raise StrategyError(
                f"the gradient is {gradient.dtype}; expected {params.dtype}, as the parameters"
            )
        self.gradient = gradient.copy()

    def judge(self) -> None:
        """Compare the gradient that `verify` found with the reference."""
        record = self.record
        assert self.gradient is not None
        assert record.tolerance is not None
        if self.strategy.accuracy.exponent < 1 and self.strategy.accuracy.directions is None:
            self._leave_out_kinks(self.gradient)
        error = gradient_error(self.gradient, self.bench.reference)
        record.gradient_error, record.cosine = error.relative, error.cosine
        record.worst_element = error.worst
        record.agrees = error.relative <= record.tolerance
        if not record.agrees:
            record.status = "disagrees"
            record.reason = (
                f"error {error.relative:.2e}, tolerance {record.tolerance:.2e}; worst at {error.worst}"
            )

    def _leave_out_kinks(self, gradient: Parameters) -> None:
        """Beside a kink a difference quotient is no derivative: count and name, and compare all the rest.

        The reference's elements stand in for those of the gradient, so that no pair is judged by them either.
        """
        scenario, record = self.bench.scenario, self.record
        eps = float(np.finfo(scenario.dtype).eps)
        step = max(getattr(self.strategy, "relative_step", None) or 0.0, eps ** (1 / 3))
        kinked = np.flatnonzero(
            kinked_parameters(scenario.network, self.bench.params, self.bench.batch, step)
        )
        record.kinks = len(kinked)
        if len(kinked):
            located = [gradient.layout.locate(int(k)) for k in kinked[:5]]
            record.kinks_at = ", ".join(f"{name}{list(index)}" for name, index in located)
            gradient.vector[kinked] = self.bench.reference.vector[kinked]

    # time -----------------------------------------------------------------------------------------

    def time(self, sample: Callable[[Call], Sequence[float]]) -> None:
        """Prepare once, then let `sample` call the strategy and return the seconds of each round."""
        scenario, bench, record = self.bench.scenario, self.bench, self.record
        params, batch = bench.params, bench.batch
        start = time.perf_counter()
        plan = self.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)
        record.prepare_s = time.perf_counter() - start

        call = timed_call(self.strategy, plan, params, batch)

        samples = np.asarray(sample(call), dtype=float)
        low, median, high = np.percentile(samples, [25, 50, 75])
        record.samples_s = [[float(value) for value in samples]]
        record.rounds = len(samples)
        record.time_median_s, record.time_iqr_s = float(median), float(high - low)
        record.time_min_s = float(samples.min())
        self._compare(call, float(median))
        self.learn(plan)

    def _compare(self, call: Call, median_s: float) -> None:
        """Ratios to the short form, the loss alone and the bare products, turn by turn."""
        scenario, bench, record = self.bench.scenario, self.bench, self.record
        short_form = find_strategy(SHORT_FORM)
        short_plan = short_form.prepare(scenario.network, scenario.batch_size, scenario.dtype)
        others: dict[str, Call] = {
            "loss": loss_call(scenario.network, bench.params, bench.batch),
            "products": products_call(scenario.network, bench.params, bench.batch),
        }
        if self.strategy.name != SHORT_FORM:
            others[SHORT_FORM] = lambda: short_form.value_and_gradient(short_plan, bench.params, bench.batch)
        for other in others.values():
            other()
        if median_s > 0.1:  # what takes this long is not compared to the per cent: its samples are enough
            ratios = {name: median_s / seconds_per_call(other, 0.05) for name, other in others.items()}
        else:
            ratios = median_ratios(call, others, turns=11, turn_s=max(0.004, median_s))
        record.ratio_to_loss, record.ratio_to_products = ratios["loss"], ratios["products"]
        record.ratio_to_short_form = ratios.get(SHORT_FORM, 1.0)

    # learn ----------------------------------------------------------------------------------------

    def learn(self, plan: Any) -> None:
        """Steps of gradient descent from the same start on the same samples for every strategy."""
        network, params = self.bench.scenario.network, self.bench.params.copy()
        rate = params.dtype.type(self.bench.scenario.learning_rate)
        for step in range(self.bench.scenario.learning_steps):
            _, gradient = self.strategy.value_and_gradient(plan, params, self.bench.step_batch(step))
            params.vector -= rate * gradient.vector
        self.record.test_accuracy = accuracy_on(network, params, self.bench.samples.test)

    def failed(self, error: BaseException) -> None:
        """Turn an exception of the strategy into the status and reason of the record.

        A gradient that has been found wrong stays wrong, whatever happened afterwards.
        """
        failed(self.record, error)


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


def timed_call(strategy: Strategy[Any], plan: Any, params: Parameters, batch: Batch) -> Call:
    """What the clock runs on: one call of the strategy, or a peer's own work without the conversions."""
    if isinstance(strategy, Peer):
        return strategy.bind(plan, params, batch)
    return lambda: strategy.value_and_gradient(plan, params, batch)


def accuracy_on(network: Network, params: Parameters, test: Batch) -> float:
    """The share of test samples whose most probable class is their label."""
    return float(np.mean(network.predict(params, test.inputs) == test.labels))


def _warm_up(strategy: Strategy[Any], scenario: Scenario) -> None:
    """One call on a few numbers: what is imported on first use is not the strategy's memory."""
    from backprop.layers import Linear

    block = np.ones((256, 256), scenario.dtype)
    np.matmul(block, block)  # a BLAS allocates its work space when it is first needed, and keeps it
    activation = next(
        (layer.name for layer in scenario.network.layers if not isinstance(layer, Linear)), "relu"
    )
    tiny = Network.mlp(2, 2, 2, activation=activation, loss=scenario.network.loss_function.name)
    params = tiny.init(np.random.default_rng(0), scenario.dtype)
    batch = Batch(np.ones((2, 2), scenario.dtype), np.array([0, 1]))
    with contextlib.suppress(Exception):  # a strategy need not know this network; what is wrong with it shows
        if strategy.unsupported(tiny, scenario.dtype) is None:
            strategy.value_and_gradient(strategy.prepare(tiny, 2, scenario.dtype), params, batch)
        strategy.prepare(
            scenario.network, scenario.batch_size, scenario.dtype
        )  # may import what tiny does not

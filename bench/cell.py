"""One cell: a strategy in a scenario, measured in this process.

Four passes, because a tracer slows what it watches and a benchmark of wrong results is worth nothing:

    forecast   predicted cost against the budgets, before anything is allocated
    verify     under the memory tracer, untimed: peak memory, and the gradient against the reference
    time       undisturbed: raw samples, and turn by turn the ratios to the short form and to the baselines
    learn      a few steps of gradient descent, and the accuracy that they lead to
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from backprop import Batch, Network, Parameters, Strategy, find_strategy
from backprop.verify import GradientError, gradient_error, reference_gradient
from bench.baselines import loss_call, products_call
from bench.budget import Budget
from bench.machine import Limits, measure_limits
from bench.record import Record
from bench.scenarios import Samples, Scenario
from bench.turns import median_ratios, seconds_per_call

FEWEST_ROUNDS = 3
_FEWEST_CALLS = 2 + FEWEST_ROUNDS
"""Calls that a cell makes beside its learning steps: one to verify, one to warm up, and the rounds."""
SHORT_FORM = "short-form"

Call = Callable[[], object]


@dataclass
class Workbench:
    """What all cells of one scenario share: data, parameters, the reference, the machine's limits."""

    scenario: Scenario
    samples: Samples
    threads: int

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
    def limits(self) -> Limits:
        """What the machine can do in this dtype."""
        return measure_limits(self.scenario.dtype)

    @cached_property
    def loss_s(self) -> float:
        """Seconds of one evaluation of the loss, to predict a black box that calls it many times."""
        call = loss_call(self.scenario.network, self.params, self.batch)
        call()
        return seconds_per_call(call, 0.02)

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
    record: Record = field(init=False)
    gradient: Parameters | None = field(init=False, default=None)
    first_call_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        scenario = self.bench.scenario
        self.record = Record(
            strategy=self.strategy.name,
            scenario=scenario.name,
            network=str(scenario.network),
            parameters=scenario.network.parameter_count,
            batch_size=scenario.batch_size,
            dtype=scenario.dtype_name,
            threads=self.bench.threads,
        )

    # forecast -------------------------------------------------------------------------------------

    def forecast(self, calls: int | None = None) -> bool:
        """Fill in the predicted figures; whether the cell may run, else the record says why not.

        `calls` is how often the strategy will be called; by default as often as all passes need.
        """
        scenario, record = self.bench.scenario, self.record
        calls = calls or _FEWEST_CALLS + scenario.learning_steps
        record.tolerance = self.strategy.accuracy.tolerance(scenario.network, scenario.dtype)
        reason = self.strategy.unsupported(scenario.network, scenario.dtype)
        if reason is not None:
            record.status, record.reason = "unsupported", reason
            return False
        cost = self.strategy.cost(scenario.network, scenario.batch_size, scenario.dtype)
        record.predicted_peak_bytes = cost.peak_bytes
        record.predicted_flops = cost.flops
        record.predicted_bytes_moved = cost.bytes_moved
        record.forward_calls = cost.forward_calls
        record.predicted_time_s = self._predicted_time()
        if cost.peak_bytes > self.budget.memory_bytes:
            record.status = "over-memory-budget"
            record.reason = (
                f"needs {cost.peak_bytes / 1e9:.3g} GB; the budget is {self.budget.memory_bytes / 1e9:.3g} GB"
            )
            return False
        if calls * record.predicted_time_s > self.budget.time_s:
            record.status = "over-time-budget"
            record.reason = (
                f"{calls} calls of about {record.predicted_time_s:.3g} s; "
                f"the budget of a cell is {self.budget.time_s:.3g} s"
            )
            return False
        return True

    def _predicted_time(self) -> float:
        """Seconds of one call: a black box by the passes it makes, everything else by flops and bytes."""
        record = self.record
        assert record.predicted_flops is not None
        assert record.predicted_bytes_moved is not None
        assert record.forward_calls is not None
        if record.forward_calls > 1:
            return record.forward_calls * self.bench.loss_s
        limits = self.bench.limits
        return max(
            record.predicted_flops / limits.flops_per_s, record.predicted_bytes_moved / limits.bytes_per_s
        )

    # verify ---------------------------------------------------------------------------------------

    def verify(self) -> None:
        """Peak memory and the gradient, in one untimed call; then the error against the reference."""
        scenario, bench = self.bench.scenario, self.bench
        _warm_up(self.strategy, scenario)
        params, batch = bench.params, bench.batch
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            plan = self.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)
            start = time.perf_counter()
            loss, gradient = self.strategy.value_and_gradient(plan, params, batch)
            self.first_call_s = time.perf_counter() - start
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.record.peak_bytes = peak - before
        self.record.loss = loss
        self.gradient = gradient.copy()
        self._judge(gradient_error(self.gradient, bench.reference))

    def _judge(self, error: GradientError) -> None:
        record = self.record
        assert record.tolerance is not None
        record.gradient_error, record.cosine = error.relative, error.cosine
        record.worst_element = error.worst
        record.agrees = error.relative <= record.tolerance
        if not record.agrees:
            record.status = "disagrees"
            record.reason = (
                f"error {error.relative:.2e}, tolerance {record.tolerance:.2e}; worst at {error.worst}"
            )

    # time -----------------------------------------------------------------------------------------

    def time(self, sample: Callable[[Call], Sequence[float]]) -> None:
        """Prepare once, then let `sample` call the strategy and return the seconds of each round."""
        scenario, bench, record = self.bench.scenario, self.bench, self.record
        params, batch = bench.params, bench.batch
        start = time.perf_counter()
        plan = self.strategy.prepare(scenario.network, scenario.batch_size, scenario.dtype)
        record.prepare_s = time.perf_counter() - start

        def call() -> object:
            return self.strategy.value_and_gradient(plan, params, batch)

        samples = np.asarray(sample(call), dtype=float)
        low, median, high = np.percentile(samples, [25, 50, 75])
        record.samples_s = [float(value) for value in samples]
        record.rounds = len(samples)
        record.time_median_s, record.time_iqr_s = float(median), float(high - low)
        record.time_min_s = float(samples.min())
        self._compare(call, float(median))
        self._learn(plan)

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
            ratios = median_ratios(call, others, turns=15, turn_s=max(0.004, median_s))
        record.ratio_to_loss, record.ratio_to_products = ratios["loss"], ratios["products"]
        record.ratio_to_short_form = ratios.get(SHORT_FORM, 1.0)

    # learn ----------------------------------------------------------------------------------------

    def _learn(self, plan: Any) -> None:
        """Steps of gradient descent from the same start on the same samples for every strategy."""
        network, params = self.bench.scenario.network, self.bench.params.copy()
        rate = params.dtype.type(self.bench.scenario.learning_rate)
        for step in range(self.bench.scenario.learning_steps):
            _, gradient = self.strategy.value_and_gradient(plan, params, self.bench.step_batch(step))
            params.vector -= rate * gradient.vector
        self.record.test_accuracy = accuracy_on(network, params, self.bench.samples.test)

    def failed(self, error: BaseException) -> None:
        """Turn an exception of the strategy into the status and reason of the record."""
        self.record.status = "out-of-memory" if isinstance(error, MemoryError) else "crashed"
        self.record.reason = f"{type(error).__name__}: {error}"


def accuracy_on(network: Network, params: Parameters, test: Batch) -> float:
    """The share of test samples whose most probable class is their label."""
    return float(np.mean(network.predict(params, test.inputs) == test.labels))


def _warm_up(strategy: Strategy[Any], scenario: Scenario) -> None:
    """One call on a few numbers: what is imported on first use is not the strategy's memory."""
    from backprop.layers import Linear

    activation = next(
        (layer.name for layer in scenario.network.layers if not isinstance(layer, Linear)), "relu"
    )
    tiny = Network.mlp(2, 2, 2, activation=activation, loss=scenario.network.loss_function.name)
    params = tiny.init(np.random.default_rng(0), scenario.dtype)
    batch = Batch(np.ones((2, 2), scenario.dtype), np.array([0, 1]))
    strategy.value_and_gradient(strategy.prepare(tiny, 2, scenario.dtype), params, batch)

"""The forecast of a cell: what it should cost, and whether that fits the budgets; nothing is allocated or run.

time of one call = the larger of flops ÷ flops per second and bytes moved ÷ bytes per second,
                   of a black box: its forward passes × the time of one loss

All commands predict by this formula: `run`, `run --predict`, `predict`, `verify`, `train` and the quick look.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop import BackpropError, Batch, Cost, Network, Parameters, Strategy, blas
from backprop.arrays import DType
from backprop.bench.baselines import loss_call
from backprop.bench.budget import Budget
from backprop.bench.clock import seconds_per_call
from backprop.bench.machine import Limits, cpu_name, host_name
from backprop.bench.record import Record, one_line
from backprop.bench.report import units
from backprop.bench.scenarios import Scenario
from backprop.peers.base import Peer


class StrategyError(BackpropError):
    """A strategy that does not keep to its interface; it becomes the reason of a crashed cell."""


@dataclass(frozen=True)
class Speeds:
    """How fast this machine is: its limits in a dtype, and the seconds of one evaluation of a network's loss."""

    limits: Limits
    loss_s: float

    @classmethod
    def of(cls, network: Network, n: int, dtype: DType, limits: Limits, memory_bytes: float) -> Speeds:
        """The loss is measured where it fits into `memory_bytes` and takes less than a tenth of a second.

        Elsewhere its time is a lower bound: what would reach the limits.
        """
        return cls(limits, _loss_seconds(network, n, dtype, limits, memory_bytes))


def _loss_seconds(network: Network, n: int, dtype: DType, limits: Limits, memory_bytes: float) -> float:
    size, p = dtype.itemsize, network.parameter_count
    numbers = p + n * network.inputs + 2 * sum(n * o for _, o in network.widths)
    bound = max(network.forward_flops(n) / limits.flops_per_s, size * numbers / limits.bytes_per_s)
    needed = size * (p + n * network.inputs) + network.forward_bytes(n, size)
    if bound > _SLOW_LOSS_S or needed > memory_bytes:
        return bound
    params = Parameters.zeros(network.layout, dtype)
    batch = Batch(np.ones((n, network.inputs), dtype), np.zeros(n, dtype=np.int64))
    call = loss_call(network, params, batch)
    call()
    return max(bound, min(seconds_per_call(call, 0.004) for _ in range(5)))


def harness_bytes(network: Network, n: int, dtype: DType) -> int:
    """What the harness itself takes beside a strategy: parameters, the batch, and the reference gradient of them."""
    size, wide, p = dtype.itemsize, np.dtype(np.longdouble).itemsize, network.parameter_count
    activations = sum(n * o for _, o in network.widths)
    return p * (2 * size + 2 * wide) + n * network.inputs * (2 * size + wide) + 2 * activations * wide


def blank_record(strategy: Strategy[Any], scenario: Scenario, threads: int) -> Record:
    """The record of a cell on this host of which nothing is known yet."""
    return Record(
        strategy=strategy.name,
        scenario=scenario.name,
        network=str(scenario.network),
        parameters=scenario.network.parameter_count,
        batch_size=scenario.batch_size,
        dtype=scenario.dtype_name,
        threads=threads,
        host=host_name(),
        cpu=cpu_name(),
    )


def forecast(
    record: Record, strategy: Strategy[Any], scenario: Scenario, speeds: Speeds, budget: Budget, calls: int
) -> bool:
    """Fill in the predicted figures, if there are any; whether the cell may run, else the record says why not.

    `calls` is how often the strategy will be called. Raises `StrategyError` for an error model or a cost that
    are none, and whatever the strategy raises.
    """
    record.tolerance = float(strategy.accuracy.tolerance(scenario.network, scenario.dtype))
    if not 0 < record.tolerance < math.inf:
        record.tolerance, got = None, record.tolerance
        raise StrategyError(f"accuracy gives the tolerance {got}; expected a finite number above zero")
    if isinstance(strategy, Peer) and (missing := strategy.unavailable()) is not None:
        record.status, record.reason = "unavailable", missing
        return False
    reason = strategy.unsupported(scenario.network, scenario.dtype)
    if reason is not None:
        record.status, record.reason = "unsupported", one_line(reason)
        return False
    cost = predict_cost(record, strategy, scenario)
    limits = speeds.limits
    record.limit_flops_per_s = limits.flops_per_s
    record.limit_bytes_per_s = limits.bytes_per_s
    time_s, beyond = 0.0, None
    if cost is not None:
        time_s = predicted_time(cost, scenario.network, scenario.batch_size, speeds)
        record.predicted_time_s = time_s or None  # a cost of nothing predicts nothing
        beyond = budget.beyond_memory(cost.peak_bytes)
    beside = harness_bytes(scenario.network, scenario.batch_size, scenario.dtype)
    if beyond is None and beside > _PROCESS_BYTES:
        beyond = budget.beyond_memory(beside, "the reference gradient, with the parameters,")
    if beyond is not None:
        record.status, record.reason = "over-memory-budget", beyond
        return False
    if calls * time_s > budget.time_s:
        record.status = "over-time-budget"
        record.reason = (
            f"{calls} call{'s' if calls != 1 else ''} of about {units.seconds(time_s)}; "
            f"the budget of a cell is {units.seconds(budget.time_s)}"
        )
        return False
    return True


def predict_cost(record: Record, strategy: Strategy[Any], scenario: Scenario) -> Cost | None:
    """Fill in what follows from the sizes and the threads alone; raises `StrategyError` for a cost that is none."""
    with blas.limited_to(record.threads):  # on which buffers may depend
        cost = strategy.predicted(scenario.network, scenario.batch_size, scenario.dtype)
    if cost is None:
        return None
    cost = _checked(cost)
    record.predicted_peak_bytes = _columnar(cost.peak_bytes)
    record.predicted_flops = _columnar(cost.flops)
    record.predicted_bytes_moved = _columnar(cost.bytes_moved)
    record.forward_calls = _columnar(cost.forward_calls)
    return cost


def predicted_time(cost: Cost, network: Network, n: int, speeds: Speeds) -> float:
    """Seconds of one call on n samples: a black box by its passes, everything else by flops and bytes.

    A pass of a black box takes the time of the loss, as often as its operations are those of one: complex
    numbers take four times as many.
    """
    if cost.forward_calls > 1:
        return max(cost.forward_calls, cost.flops / network.forward_flops(n)) * speeds.loss_s
    return max(cost.flops / speeds.limits.flops_per_s, cost.bytes_moved / speeds.limits.bytes_per_s)


def failed(record: Record, error: BaseException) -> None:
    """Turn an exception of the strategy into the status and reason of its record.

    A gradient that has been found wrong stays wrong, whatever happened afterwards.
    """
    said = one_line(f"{type(error).__name__}: {error}").rstrip(": ")
    if record.agrees is False:
        record.reason += f"; then {said}"
        return
    record.status = "out-of-memory" if isinstance(error, MemoryError) else "crashed"
    record.reason = said


def _checked(cost: Cost) -> Cost:
    """The cost in Python's own integers; raises `StrategyError` for figures that cannot be one."""
    figures: dict[str, int] = {}
    for f in dataclasses.fields(Cost):
        value = getattr(cost, f.name)
        if not 0 <= value <= sys.float_info.max or value != int(value):
            raise StrategyError(f"cost gives {f.name} = {value!r}; expected a whole number, not below zero")
        figures[f.name] = int(value)
    return Cost(**figures)


def _columnar(figure: int) -> int | float:
    """The figure as a column of integers of 64 bits holds it, or as a float."""
    return figure if figure < 2**63 else float(figure)


_SLOW_LOSS_S = 0.1
_PROCESS_BYTES = 100e6
"""About what a Python process with NumPy takes anyway, so that a budget below it is one of arrays alone."""

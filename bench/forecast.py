"""The forecast of a cell: what it should cost, and whether that fits the budgets; nothing is allocated or run.

time of one call = the larger of flops ÷ flops per second and bytes moved ÷ bytes per second,
                   of a black box: its forward passes × the time of one loss
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Protocol

from backprop import BackpropError, Cost, Strategy, blas
from backprop.peers.base import Peer
from bench.budget import Budget
from bench.machine import Limits, cpu_name, host_name
from bench.record import Record, one_line
from bench.report import units
from bench.scenarios import Scenario


class StrategyError(BackpropError):
    """A strategy that does not keep to its interface; it becomes the reason of a crashed cell."""


class Speeds(Protocol):
    """How fast this machine is in a scenario: its limits, and the seconds of one evaluation of the loss."""

    @property
    def limits(self) -> Limits:
        """What the machine can do in the scenario's dtype."""

    @property
    def loss_s(self) -> float:
        """Seconds of one evaluation of the loss, measured or predicted."""


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
    if cost is None:
        return True
    record.predicted_time_s = predicted_time(cost, scenario, speeds)
    beyond = budget.beyond_memory(cost.peak_bytes)
    if beyond is not None:
        record.status, record.reason = "over-memory-budget", beyond
        return False
    if calls * record.predicted_time_s > budget.time_s:
        record.status = "over-time-budget"
        record.reason = (
            f"{calls} call{'s' if calls != 1 else ''} of about {units.seconds(record.predicted_time_s)}; "
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
    record.predicted_peak_bytes = cost.peak_bytes
    record.predicted_flops = cost.flops
    record.predicted_bytes_moved = cost.bytes_moved
    record.forward_calls = cost.forward_calls
    return cost


def predicted_time(cost: Cost, scenario: Scenario, speeds: Speeds) -> float:
    """Seconds of one call: a black box by its passes, everything else by flops and bytes.

    A pass of a black box takes the time of the loss, as often as its operations are those of one: complex
    numbers take four times as many.
    """
    if cost.forward_calls > 1:
        one_pass = scenario.network.forward_flops(scenario.batch_size)
        return max(cost.forward_calls, cost.flops / one_pass) * speeds.loss_s
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
        if not 0 <= value < 2**63 or value != int(value):
            raise StrategyError(
                f"cost gives {f.name} = {value!r}; expected a whole number from 0 to 2**63 - 1"
            )
        figures[f.name] = int(value)
    return Cost(**figures)

"""Forecasts: the time and memory of a call on a machine whose speeds are known, and the budgets for them.

Nothing is allocated or run.

time of one call = the larger of flops ÷ flops per second and bytes moved ÷ bytes per second,
                   with layers that take one step after another: and its passes × what the loss takes beyond that,
                   of a black box: its forward passes × the time of one loss

All commands predict by this formula: `run`, `run --predict`, `predict`, `verify`, `train` and the quick look.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from dataclasses import dataclass

import numpy as np

from backprop import BackpropError, Batch, Cost, Network, Parameters
from backprop.arrays import DType
from backprop.bench import units
from backprop.bench.baselines import loss_call
from backprop.bench.clock import seconds_per_call
from backprop.bench.machine import Limits
from backprop.errors import BudgetError, shown

# Budgets: how much memory and time one cell may take --------------------------------------------------

_BYTES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SECONDS = {"": 1, "MS": 1e-3, "S": 1, "MIN": 60, "H": 3600}


@dataclass(frozen=True)
class Budget:
    """The most memory in bytes and time in seconds that a cell may be predicted to need."""

    memory_bytes: float
    time_s: float

    @classmethod
    def parse(cls, memory: str | None, time: str | None) -> Budget:
        """Parse texts such as `2GB`, `512MiB`, `60`, `90s`, `2min`; None is half of the memory and 60 s.

        Raises `BudgetError` for a text that cannot be read and for a budget that is not positive.
        """
        return cls(
            default_memory_bytes() if memory is None else _quantity("memory budget", memory, _BYTES, "2GB"),
            60.0 if time is None else _quantity("time budget", time, _SECONDS, "60s"),
        )

    def beyond_memory(self, peak_bytes: int, what: str = "") -> str | None:
        """Why `what` does not fit the memory budget; None where it fits."""
        if peak_bytes <= self.memory_bytes:
            return None
        needed, budget = units.data_size(peak_bytes), units.data_size(self.memory_bytes)
        return f"{what} needs {needed}; the budget is {budget}".lstrip()


def parse_seconds(what: str, text: str) -> float:
    """Seconds from a text such as `60`, `90s` or `2min`; raises `BudgetError` where it is none, or not positive."""
    return _quantity(what, text, _SECONDS, "60s")


def parse_bytes(what: str, text: str) -> float:
    """Bytes from a text such as `2GB` or `512MiB`; raises `BudgetError` where it is none, or not positive."""
    return _quantity(what, text, _BYTES, "2GB")


def default_memory_bytes() -> float:
    """Half of the memory available now, in bytes."""
    return available_memory_bytes() / 2


def available_memory_bytes() -> float:
    """The memory that is available now, in bytes."""
    import psutil

    return float(psutil.virtual_memory().available)


def _quantity(what: str, text: str, known: dict[str, float], example: str) -> float:
    match = re.fullmatch(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    unit = known.get(match[2].upper()) if match else None
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    if unit is None or math.isnan(number):
        raise BudgetError(f"The {what} is {shown(text)}; expected a number and a unit, such as {example}.")
    number *= unit
    if number <= 0 or math.isinf(number):
        raise BudgetError(f"The {what} is {shown(text)}; expected a finite number above zero.")
    return number


# Forecasts --------------------------------------------------------------------------------------------

_SLOW_LOSS_S = 0.1


class StrategyError(BackpropError):
    """A strategy that does not keep to its interface; it becomes the reason of a crashed cell."""


@dataclass(frozen=True)
class Speeds:
    """How fast this machine is: its limits in a dtype, and the seconds of one evaluation of a network's loss.

    overhead_s: the part of these seconds that the limits do not explain.
    """

    limits: Limits
    loss_s: float
    overhead_s: float = 0.0

    @classmethod
    def of(cls, network: Network, n: int, dtype: DType, limits: Limits, memory_bytes: float) -> Speeds:
        """The loss is measured where it fits into `memory_bytes` and takes less than a tenth of a second.

        Elsewhere its time is a lower bound: what would reach the limits.
        """
        bound = _loss_bound(network, n, dtype, limits)
        loss_s = _loss_seconds(network, n, dtype, bound, memory_bytes)
        return cls(limits, loss_s, loss_s - bound)


def _loss_bound(network: Network, n: int, dtype: DType, limits: Limits) -> float:
    """The seconds of a loss that reaches the limits."""
    size, p = dtype.itemsize, network.parameter_count
    numbers = p + n * network.inputs + 2 * sum(n * o for _, o in network.widths)
    return max(network.forward_flops(n) / limits.flops_per_s, size * numbers / limits.bytes_per_s)


def _loss_seconds(network: Network, n: int, dtype: DType, bound: float, memory_bytes: float) -> float:
    size, p = dtype.itemsize, network.parameter_count
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


def predicted_time(cost: Cost, network: Network, n: int, speeds: Speeds) -> float:
    """Seconds of one call on n samples: a black box by its passes, everything else by flops and bytes.

    A pass of a black box takes the time of the loss, as often as its operations are those of one: complex
    numbers take four times as many, but no more steps in Python.
    """
    if cost.forward_calls > 1:
        steps_s = speeds.overhead_s if any(network.step_shares) else 0.0
        by_flops = max(cost.forward_calls, cost.flops / network.forward_flops(n)) * (speeds.loss_s - steps_s)
        return by_flops + cost.forward_calls * steps_s
    reached = max(cost.flops / speeds.limits.flops_per_s, cost.bytes_moved / speeds.limits.bytes_per_s)
    return reached + cost.passes * speeds.overhead_s


def checked(cost: Cost) -> Cost:
    """The cost in Python's own integers; raises `StrategyError` for figures that cannot be one."""
    figures: dict[str, int] = {}
    for f in dataclasses.fields(Cost):
        value = getattr(cost, f.name)
        if not 0 <= value <= sys.float_info.max or value != int(value):
            raise StrategyError(f"cost gives {f.name} = {value!r}; expected a whole number, not below zero")
        figures[f.name] = int(value)
    return Cost(**figures)

"""Forecasts: the time and memory of a call on a machine whose speeds are known.

Nothing is allocated or run.

time of one call = the larger of flops ÷ flops per second and bytes moved ÷ bytes per second,
                   with layers that take one step after another: and its passes × what the loss takes beyond that,
                   of a black box: its forward passes × the time of one loss

All commands predict by this formula: `run`, `run --predict`, `predict`, `verify`, `train` and the quick look.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass

import numpy as np

from backprop import BackpropError, Batch, Cost, Network, Parameters
from backprop.arrays import DType
from backprop.bench.baselines import loss_call
from backprop.bench.clock import seconds_per_call
from backprop.bench.machine import Limits

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

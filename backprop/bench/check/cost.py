"""Cost: the time and the memory of the user's gradient beside those of built-in strategies, turn by turn."""

from __future__ import annotations

import functools
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from backprop import Batch, Network, Parameters, find_strategy
from backprop.bench.clock import Call, median_ratio, samples_by_turn
from backprop.bench.memory import best_tracker, measure_peak

BESIDE = ("short-form", "layerwise-vjp", "batched-jacobian")
_NATIVE = ("torch", "jax", "numba", "tensorflow")
"""Libraries with memory of their own, which only the slower tracker sees; NumPy's is seen by both."""
_TURNS, _TURN_S = 5, 0.008
"""Turns of each contender, and their seconds: few and short, so that the verdict comes soon."""
_SLOW_S = 0.2
"""What takes longer is called once and takes no turns."""
_MOST_BYTES = 200e6
"""A built-in strategy that is predicted to need more is skipped, so that the verdict comes soon."""

_Number = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0, le=sys.float_info.max)]
"""Rows come from the user's process, which may send anything."""


@dataclass(frozen=True)
class CostRow:
    """One contender. ratio: its time over the short form's; reason: why there are no figures."""

    name: str
    time_s: _Number | None = None
    ratio: _Number | None = None
    peak_bytes: _Number | None = None
    predicted_peak_bytes: _Number | None = None
    reason: str | None = None


def measure_costs(name: str, call: Call, network: Network, params: Parameters, batch: Batch) -> list[CostRow]:
    """Time and memory of the user's `call` and of the strategies beside it."""
    calls: dict[str, Call] = {name: call}
    fresh: dict[str, Call] = {}
    left_out: list[CostRow] = []
    for strategy in map(find_strategy, BESIDE):
        cost = strategy.predicted(network, len(batch.labels), params.dtype)
        if cost is not None and cost.peak_bytes > _MOST_BYTES:
            reason = "skipped, to keep this fast"
            left_out.append(CostRow(strategy.name, predicted_peak_bytes=cost.peak_bytes, reason=reason))
            continue
        plan = strategy.prepare(network, len(batch.labels), params.dtype)
        calls[strategy.name] = functools.partial(strategy.value_and_gradient, plan, params, batch)
        fresh[strategy.name] = _whole(strategy, network, params, batch)
    times, ratios = _times(calls)
    tracker = best_tracker() if any(name in sys.modules for name in _NATIVE) else "tracemalloc"
    peaks = {who: measure_peak(fresh.get(who, calls[who]), tracker).peak_bytes for who in calls}
    rows = [CostRow(who, times[who], ratios.get(who), peaks.get(who)) for who in calls]
    return rows + left_out


def _whole(strategy: Any, network: Network, params: Parameters, batch: Batch) -> Call:
    """A call with a fresh plan: the memory of both is what the strategy needs."""

    def call() -> object:
        plan = strategy.prepare(network, len(batch.labels), params.dtype)
        return strategy.value_and_gradient(plan, params, batch)

    return call


def _times(calls: dict[str, Call]) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of a call, the median over turns, and the median ratio to the short form within a turn."""
    clock = time.perf_counter
    samples: dict[str, list[float]] = {}
    for who, call in calls.items():
        call()
        start = clock()
        call()
        samples[who] = [clock() - start]
    quick = {who: call for who, call in calls.items() if samples[who][0] < _SLOW_S}
    samples |= samples_by_turn(quick, _TURNS, _TURN_S)
    times = {who: float(np.median(values)) for who, values in samples.items()}
    return times, {who: median_ratio(values, samples[BESIDE[0]]) for who, values in samples.items()}

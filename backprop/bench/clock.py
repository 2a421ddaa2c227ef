"""Turns: calls that are compared take turns in one process, and ratios are formed turn by turn.

The machine's speed drifts by a factor of two within minutes. Two medians taken one after the other compare
two moments of the machine as much as two calls; within a turn the moment is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Call = Callable[[], object]


def seconds_per_call(call: Call, least_s: float) -> float:
    """The mean time of as many calls as fill `least_s`, at least one."""
    clock = time.perf_counter
    calls, start = 0, clock()
    while True:
        call()
        calls += 1
        elapsed = clock() - start
        if elapsed >= least_s:
            return elapsed / calls


def median_ratios(call: Call, others: Mapping[str, Call], turns: int, turn_s: float) -> dict[str, float]:
    """The median over turns of the time of `call` divided by that of each other."""
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(turns):
        own = seconds_per_call(call, turn_s)
        for name, other in others.items():
            ratios[name].append(own / seconds_per_call(other, turn_s))
    return {name: float(np.median(values)) for name, values in ratios.items()}

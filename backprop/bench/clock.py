"""Turns: calls that are compared take turns in one process, and ratios are formed turn by turn.

The machine's speed drifts by a factor of two within minutes. Two medians taken one after the other compare
two moments of the machine as much as two calls; within a turn the moment is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Call = Callable[[], object]


def seconds_per_call(call: Call, least_s: float, slower_by: float = 0.0) -> float:
    """The mean time of as many calls as fill `least_s`, at least one.

    slower_by: by which share of their own time the calls are made to take longer, a planted slow-down. The wait comes
    once, after the last call: a call that follows a wait is slower itself, for its data have left the caches.
    """
    clock = time.perf_counter
    calls, start = 0, clock()
    while True:
        call()
        calls += 1
        elapsed = clock() - start
        planted = elapsed * (1 + slower_by)
        if planted >= least_s:
            break
    while elapsed < planted:
        elapsed = clock() - start
    return elapsed / calls


def median_ratios(call: Call, others: Mapping[str, Call], turns: int, turn_s: float) -> dict[str, float]:
    """The median over turns of the time of `call` divided by that of each other."""
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(turns):
        own = seconds_per_call(call, turn_s)
        for name, other in others.items():
            ratios[name].append(own / seconds_per_call(other, turn_s))
    return {name: float(np.median(values)) for name, values in ratios.items()}

"""Turns: calls that are compared take turns in one process, and ratios are formed turn by turn.

The machine's speed drifts by a factor of two within minutes. Two medians taken one after the other compare
two moments of the machine as much as two calls; within a turn the moment is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Call = Callable[[], object]


def seconds_per_call(call: Call, least_s: float, slower_by: float = 0.0) -> float:
    """The mean time of one call, over as many calls as take `least_s`, at least one.

    slower_by: a planted slow-down, as a share of the calls' own time. The wait comes once, after the last call: a
    call that follows a wait is slower itself, because its data have left the caches.
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


def samples_by_turn(calls: Mapping[str, Call], turns: int, turn_s: float) -> dict[str, list[float]]:
    """The time of a call in every turn, by name; in each turn all names come one after another."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            samples[name].append(seconds_per_call(call, turn_s))
    return samples


def median_ratio(own: Sequence[float], other: Sequence[float]) -> float:
    """The median of own ÷ other over the turns that both have."""
    return float(np.median([a / b for a, b in zip(own, other, strict=False)]))


def median_ratios(call: Call, others: Mapping[str, Call], turns: int, turn_s: float) -> dict[str, float]:
    """The median over turns of the time of `call` divided by that of each other."""
    own, *samples = samples_by_turn({"": call, **others}, turns, turn_s).values()
    return {name: median_ratio(own, other) for name, other in zip(others, samples, strict=True)}

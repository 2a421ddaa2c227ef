"""How long a run will take: from predicted calls, the schedule, and the time in which a worker starts.

verify a cell       a worker's start, four times a call (plans, one call under the memory tracker), the learning steps
one start of it     a worker's start, its plan and first calls, its turns
one group           the machine's limits, its cells, the twin and the baselines

A forecast of a call is a lower bound. In the committed runs a call of more than 10 ms took 1.7 times its forecast in
the median (1.0 to 6), so this is what is expected here.
"""

from __future__ import annotations

from collections.abc import Sequence

from backprop.bench.record import Record
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import WAKE_UP_S
from backprop.bench.turns import Schedule

_SLOWER_THAN_FORECAST = 1.7
_ESTIMATE_S = 14 * WAKE_UP_S  # of a fast call, before its first turn
_LIMITS_S = 0.6
_BASELINES = 3  # the A/A twin, the loss, the matrix products
_BETWEEN_TURNS_S = 0.001


def group_seconds(
    records: Sequence[Record], scenario: Scenario, schedule: Schedule, start_up_s: float
) -> float:
    """The seconds that the group of these predicted cells is expected to take; cells that do not fit take none."""
    fitting = [one for one in records if one.status == "predicted"]
    if not fitting:
        return start_up_s + _LIMITS_S
    calls = [_SLOWER_THAN_FORECAST * (one.predicted_time_s or 0.0) for one in fitting]
    verified = sum(start_up_s + (4 + scenario.learning_steps) * call_s for call_s in calls)
    turns = sum(_turns_seconds(call_s, schedule, start_up_s) for call_s in [*calls, *[0.0] * _BASELINES])
    return start_up_s + _LIMITS_S + verified + turns


def _turns_seconds(call_s: float, schedule: Schedule, start_up_s: float) -> float:
    """The seconds that one participant takes in all its starts."""
    is_fast = call_s < WAKE_UP_S
    prepared = start_up_s + (_ESTIMATE_S if is_fast else 3 * call_s)
    turn = max(call_s, schedule.turn_s) + (WAKE_UP_S if is_fast else 0.0) + _BETWEEN_TURNS_S
    return schedule.starts_of(call_s) * (prepared + schedule.turns_of(call_s) * turn)

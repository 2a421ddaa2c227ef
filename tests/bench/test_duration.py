"""How long a run is expected to take, from its predicted cells and its schedule."""

import math

from rows import record

from backprop import Network
from backprop.bench.places import group_seconds
from backprop.bench.scenarios import Scenario
from backprop.bench.turns import Schedule

SCENARIO = Scenario.of(Network.mlp(9, 4, 3), 8, "float64")
SCHEDULE = Schedule(starts=6, turns=20, slow_s=8.0)


def seconds(*calls_s, schedule=SCHEDULE, start_up_s=0.5):
    cells = [record(str(k), status="predicted", predicted_time_s=one) for k, one in enumerate(calls_s)]
    return group_seconds(cells, SCENARIO, schedule, start_up_s)


def test_more_starts_more_turns_more_cells_and_slower_ones_take_longer():
    plain = seconds(1e-3)
    assert seconds(1e-3, 1e-3) > plain
    assert seconds(1.0) > plain
    assert seconds(1e-3, start_up_s=1.0) > plain
    assert seconds(1e-3, schedule=Schedule(starts=12, turns=20)) > plain
    assert seconds(1e-3, schedule=Schedule(starts=6, turns=200)) > plain


def test_a_slow_cell_counts_with_all_its_calls():
    starts, learning = 6, SCENARIO.learning_steps
    assert seconds(10.0) - seconds(1e-9) > 10 * (starts + learning)


def test_what_does_not_fit_takes_no_time():
    left_out = record("slow", status="over-time-budget", predicted_time_s=1e9)
    assert group_seconds([left_out], SCENARIO, SCHEDULE, 0.5) < 2


def test_a_cell_without_a_prediction_counts_with_its_starts():
    unknown = record("unknown", status="predicted", predicted_time_s=None)
    assert math.isfinite(group_seconds([unknown], SCENARIO, SCHEDULE, 0.5))
    assert group_seconds([unknown], SCENARIO, SCHEDULE, 0.5) > 6 * 0.5

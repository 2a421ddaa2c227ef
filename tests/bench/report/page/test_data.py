"""What charts are drawn from has no number that a logarithmic axis cannot place, and says what is predicted."""

import json
import math

import pandas as pd
import pytest
from rows import agreement, left_out, record, wrong

from backprop.bench.report.frame import to_frame
from backprop.bench.report.page import data
from backprop.bench.report.page.lead import find_lead


def cells(*rows):
    return [dict(zip(data.COLUMNS, row, strict=True)) for row in data.cell_rows(to_frame(list(rows)))]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 0, -1.0, pd.NA])
def test_what_no_logarithmic_axis_can_place_is_null(value):
    assert data.positive(value) is None


def test_a_measured_cell_has_its_interval_and_a_predicted_one_its_prediction():
    measured, predicted = cells(
        record(time_low_s=0.9e-3, time_high_s=1.1e-3),
        left_out(predicted_time_s=2.0, predicted_peak_bytes=10**9),
    )
    assert (measured["time"], measured["low"], measured["high"]) == (1e-3, 0.9e-3, 1.1e-3)
    assert measured["time_text"] == "1 ms (900 µs to 1.1 ms)"
    assert not measured["predicted"]
    assert (predicted["time"], predicted["memory"], predicted["error"]) == (2.0, 1e9, None)
    assert (predicted["predicted"], predicted["time_text"]) == (True, "≈ 2 s")


def test_the_time_of_a_wrong_gradient_is_not_drawn():
    (cell,) = cells(wrong(time_median_s=1e-9, time_low_s=1e-9, time_high_s=2e-9, predicted_time_s=1e-3))
    assert (cell["predicted"], cell["time"], cell["low"], cell["high"]) == (True, 1e-3, 1e-3, 1e-3)
    assert (cell["error"], cell["error_text"]) == (None, "5.0e-01")


def test_a_bar_without_an_interval_has_one_without_length():
    bars = data.bar_rows(find_lead(to_frame([record(), record("vjp", 2e-3)])))
    assert [(bar["low"], bar["ratio"], bar["high"]) for bar in bars] == [(1, 1, 1), (2, 2, 2)]


def test_heat_maps_have_every_pair_and_no_zero():
    (group,) = data.agreement_groups(
        [
            agreement("a", "b", distance=0.0),
            agreement("a", "c", distance=None, agrees=False),
            agreement("b", "c", distance=1e-9),
        ]
    )
    assert group["names"] == ["a", "b", "c"]
    assert [pair[:3] for pair in group["pairs"]] == [[0, 1, 1e-17], [0, 2, 1.0], [1, 2, 1e-9]]
    assert [pair[5] for pair in group["pairs"]] == [True, False, True]


def test_a_roof_has_the_limits_and_the_right_cells_below_them():
    limits = {
        "limit_flops_per_s": 1e10,
        "limit_bytes_per_s": 1e9,
        "flops_share": 0.25,
        "bandwidth_share": 0.5,
    }
    rows = [record(**limits), record("b", **limits | {"flops_share": 0.0}), wrong(**limits), record("c")]
    (roof,) = data.roofs(to_frame(rows))
    assert (roof["peak"], roof["bandwidth"]) == (1e10, 1e9)
    (point,) = roof["points"]
    assert (point["strategy"], point["intensity"], point["speed"]) == ("short-form", 0.5, 2.5e9)
    assert (point["flops_share"], point["bandwidth_share"]) == ("25.0%", "50.0%")


def test_hosts_of_another_processor_have_a_roof_of_their_own():
    limits = {
        "limit_flops_per_s": 1e10,
        "limit_bytes_per_s": 1e9,
        "flops_share": 0.25,
        "bandwidth_share": 0.5,
    }
    other = {"host": "b", "cpu": "slow", "limit_flops_per_s": 1e8}
    found = data.roofs(to_frame([record(**limits), record("b", **limits | other)]))
    assert [(roof["peak"], len(roof["points"])) for roof in found] == [(1e10, 1), (1e8, 1)]


def test_a_curve_has_its_points_and_the_bottom_that_is_predicted():
    frame = pd.DataFrame(
        {
            "strategy": ["central"] * 3,
            "dtype": ["float64"] * 3,
            "step": [1e-2, 1e-5, 1e-8],
            "error": [1e-4, math.inf, 1e-8],
        }
    )
    rows = data.curve_rows(
        frame, "step", {("central", "float64"): (1e-5, 1e-10), ("other", "float64"): (1, 1)}
    )
    assert [(row["x"], row["error"], row["bottom"]) for row in rows["float64"]] == [
        (1e-8, 1e-8, False),
        (1e-2, 1e-4, False),
        (1e-5, 1e-10, True),
    ]


def test_everything_is_json():
    json.dumps(data.cell_rows(to_frame([record(), left_out(), wrong()])), allow_nan=False)

"""The rows of charts: every number has a place on a logarithmic axis; a sweep differs in one size alone."""

import json
import math

import pandas as pd
import pytest
from rows import agreement, left_out, record, wrong

from backprop.bench.report import data
from backprop.bench.report.answer import find_lead
from backprop.bench.report.scaling import exponents


def cells(*rows):
    return list(map(data.cell_row, rows))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 0, -1.0])
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
    bars = data.bar_rows(find_lead([record(), record("vjp", 2e-3)]))
    assert [(bar["low"], bar["ratio"], bar["high"]) for bar in bars] == [(1, 1, 1), (2, 2, 2)]


def test_heat_maps_have_every_pair_and_no_zero():
    (group,) = data.agreement_groups(
        [
            agreement("a", "b", distance=0.0),
            agreement("a", "c", distance=None, agrees=False),
            agreement("b", "c", distance=1e-9),
        ]
    )
    assert group["names"] == ("a", "b", "c")
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
    (roof,) = data.roofs(rows)
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
    found = data.roofs([record(**limits), record("b", **limits | other)])
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
    json.dumps(cells(record(), left_out(), wrong()), allow_nan=False)


# Sweeps


def swept(*rows):
    return {sweep.label: sweep for sweep in data.sweeps(rows, exponents(rows))}


def batches(strategy="short-form", **changes):
    return [
        record(strategy, 1e-3 * n, batch_size=n, predicted_time_s=1e-3 * n, scenario=f"b{n}", **changes)
        for n in (1, 4, 16)
    ]


def test_batches_of_one_network_are_a_sweep_with_its_exponents():
    sweep = swept(*batches(), *batches("vjp"))["batch, 4-3-2, float64"]
    assert sweep.sizes == (1, 4, 16, 1, 4, 16)
    assert sweep.cells == (0, 1, 2, 3, 4, 5)
    assert sweep.fitted == dict.fromkeys(("short-form", "vjp"), "time ~ size^1.00, memory ~ size^0.00")


def test_an_exponent_is_shown_with_the_cells_that_it_was_fitted_to_alone():
    slow = [
        record(
            "short-form", 1e-3 * n**2, batch_size=n, predicted_time_s=1e-3, scenario=f"b{n}", dtype="float32"
        )
        for n in (1, 4, 16)
    ]
    both = swept(*batches(), *slow)
    assert both["batch, 4-3-2, float64"].fitted["short-form"].startswith("time ~ size^1.00,")
    assert both["batch, 4-3-2, float32"].fitted["short-form"].startswith("time ~ size^2.00,")


def test_networks_of_one_batch_are_drawn_against_their_parameters():
    rows = [
        record(),
        record(network="9-9 relu cross-entropy", parameters=90),
        record(batch_size=9, parameters=7),
    ]
    sweep = swept(*rows)["all networks, batch 8, float64"]
    assert (sweep.swept, sweep.sizes) == ("parameters", (23, 90))


def test_width_and_depth_are_told_by_the_shape():
    rows = [
        record(network=f"9-{sizes}-2 relu", parameters=k)
        for k, sizes in enumerate(["4", "5", "4-4", "4-4-4"], 1)
    ]
    labels = set(swept(*rows))
    assert {"width, 9-h-2, batch 8, float64", "depth, 9-4-…-2, batch 8, float64"} <= labels


def test_dtypes_threads_and_processors_are_kept_apart():
    rows = [
        record(**change, network=network, parameters=p)
        for change in ({}, {"dtype": "float32"}, {"threads": 2}, {"host": "h", "cpu": "another"})
        for network, p in (("4-3-2 relu", 23), ("9-3-2 relu", 90))
    ]
    for sweep in data.sweeps(rows, []):
        assert len({(rows[k].dtype, rows[k].threads, rows[k].cpu) for k in sweep.cells}) == 1


def test_predicted_cells_are_in_a_sweep_and_one_size_alone_is_none():
    assert swept(record(), record("b")) == {}
    rows = [record(), left_out("short-form", parameters=90, predicted_time_s=1.0)]
    assert swept(*rows)["all networks, batch 8, float64"].cells == (0, 1)


def test_a_wrong_gradient_is_in_no_sweep():
    rows = [record(), record(parameters=90), wrong(), wrong(parameters=90)]
    assert swept(*rows)["all networks, batch 8, float64"].cells == (0, 1)

"""Exponents of sweeps, from frames with a law that is known."""

import pytest
from rows import record, wrong

from backprop.bench.report.scaling import FEWEST_POINTS, exponents
from backprop.bench.report.tables import exponent_rows


def cell(sizes="784-64-10", batch=32, time=1e-3, memory=1000, strategy="short-form", **changes):
    values = {
        "network": f"{sizes} relu cross-entropy",
        "batch_size": batch,
        "scenario": f"{sizes}-batch-{batch}",
        "time_low_s": time * 0.99,
        "time_high_s": time * 1.01,
        "peak_bytes": round(memory),
    }
    return record(strategy, time, **values | changes)


def found(rows):
    return {(e.strategy, e.swept, e.quantity): e for e in exponents(rows)}


def width_sweep(power=2.0, predicted=1.0, widths=(16, 32, 64, 128)):
    return [
        cell(
            f"784-{w}-10",
            time=1e-6 * w**power,
            memory=1000 * w,
            predicted_time_s=1e-7 * w**predicted,
            predicted_peak_bytes=100 * w,
        )
        for w in widths
    ]


def test_measured_and_predicted_exponents_stand_side_by_side():
    fitted = found(width_sweep(power=2.0, predicted=1.5))
    assert set(fitted) == {("short-form", "width", "time"), ("short-form", "width", "memory")}
    time = fitted["short-form", "width", "time"]
    assert time.sizes == (16, 32, 64, 128)
    assert time.measured.value == pytest.approx(2)
    assert time.measured.low <= 2 <= time.measured.high
    assert time.predicted == pytest.approx(1.5)
    assert fitted["short-form", "width", "memory"].measured.value == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("swept", "rows"),
    [
        ("batch", [cell(batch=n, time=1e-5 * n) for n in (1, 4, 16)]),
        ("depth", [cell("196-" + "64-" * d + "10", time=1e-5 * d) for d in (1, 2, 4)]),
    ],
)
def test_batch_and_depth_are_swept_likewise(swept, rows):
    fitted = found(rows)
    assert {key[1] for key in fitted} == {swept}
    assert fitted["short-form", swept, "time"].measured.value == pytest.approx(1)


def test_the_sweeps_of_a_cross_are_told_apart():
    rows = [*width_sweep(), *(cell("784-64-10", batch=n, time=1e-6 * 64**2 * n / 32) for n in (1, 4, 16))]
    fitted = found(rows)
    assert {key[1] for key in fitted} == {"width", "batch"}
    assert fitted["short-form", "batch", "time"].sizes == (1, 4, 16, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float32"},
        {"threads": 2},
        {"network": "784-32-10 tanh cross-entropy"},
        {"network": "700-32-10 relu cross-entropy"},
        {"network": "784-32-9 relu cross-entropy"},
        {"batch_size": 64},
        {"strategy": "layerwise-vjp"},
        {"cpu": "another"},
        {"time_median_s": None},
    ],
)
def test_cells_that_differ_in_more_than_the_size_are_no_sweep(change):
    rows = width_sweep(widths=(16, 32, 64))
    for name, value in change.items():
        setattr(rows[1], name, value)
    assert found(rows) == {}


def test_wrong_cells_and_uneven_layers_take_no_part():
    rows = width_sweep(widths=(16, 32))
    rows.append(wrong("short-form", network="784-64-10 relu cross-entropy", batch_size=32))
    rows.append(cell("784-64-32-10"))
    rows.append(cell("784-10"))
    assert FEWEST_POINTS == 3
    assert found(rows) == {}


def test_a_size_measured_twice_counts_once():
    rows = width_sweep(widths=(16, 32, 64))
    assert found([*rows, *rows])["short-form", "width", "time"].sizes == (16, 32, 64)


def test_times_that_scatter_make_a_wide_interval():
    narrow, wide = width_sweep(), width_sweep()
    for k, row in enumerate(wide):
        row.time_median_s *= 1.2 if k % 2 else 1.0
    key = "short-form", "width", "time"
    first, second = found(narrow)[key].measured, found(wide)[key].measured
    assert second.high - second.low > 0.1 > first.high - first.low


def test_an_exponent_stands_in_a_table_with_its_interval_and_its_prediction():
    rows = width_sweep()
    table = exponent_rows(rows, exponents(rows))
    assert table[0]["against"] == "width 16 to 128, 4 sizes"
    assert table[0]["time, predicted"] == "1.00"
    value, interval = table[0]["time"].removesuffix(")").split(" (")
    assert value == "2.00"
    low, high = map(float, interval.split(" to "))
    assert low <= 2 <= high


def test_nothing_swept_is_no_table():
    assert exponents([record()]) == []
    assert exponents([]) == []

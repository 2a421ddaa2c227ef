"""Every strategy looks the same in every chart, and no two look alike; every chart is one that Vega-Lite takes."""

import pytest
from rows import record

from backprop.bench.report.frame import to_frame
from backprop.bench.report.page import charts, curves, lines
from backprop.bench.report.page.lead import find_lead
from backprop.bench.report.page.series import series_of
from backprop.bench.report.page.sweeps import LABELS


def test_no_two_of_fifty_strategies_share_colour_and_shape():
    looks = series_of(f"s{k}" for k in range(50)).values()
    assert len({(one.colour, one.shape) for one in looks}) == 50
    assert len({(one.colour, one.sign) for one in looks}) == 50


def test_a_name_that_comes_twice_is_one_series():
    assert list(series_of(["a", "b", "a"])) == ["a", "b"]


SPECS = {
    "bars": lambda: charts.bars(find_lead(to_frame([record(), record("vjp", 5.0)]))),
    "agreement": charts.agreement,
    "roofline": lines.roofline,
    "curve": lambda: lines.error_curve("step h", "float64", bottoms=True),
} | {
    f"{quantity} {swept}": lambda quantity=quantity, swept=swept: lines.against_size(quantity, swept)
    for quantity in ("time", "memory", "error")
    for swept in LABELS
}


@pytest.mark.parametrize("name", SPECS)
def test_vega_lite_takes_the_chart(name):
    vega = pytest.importorskip("vl_convert")
    spec = SPECS[name]()
    assert spec["description"]
    assert vega.vegalite_to_vega({**spec, "datasets": {"cells": []}})["marks"]


@pytest.mark.parametrize("place", ["run", "run/accuracy", ".", "accuracy"])
def test_curves_are_found_in_the_run_and_beside_it(tmp_path, place):
    (tmp_path / "run").mkdir()
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "accuracy.csv").write_text("")
    assert curves.find_accuracy(tmp_path / "run") == tmp_path / place / "accuracy.csv"


def test_no_file_is_no_curve(tmp_path):
    assert curves.find_accuracy(tmp_path) is None


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "experiment\nstep\n", "\x00"])
def test_a_file_of_something_else_is_no_curve(tmp_path, text):
    path = tmp_path / "accuracy.csv"
    path.write_text(text)
    assert curves.curves(path) == []

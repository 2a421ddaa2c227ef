"""Every strategy looks the same in every chart, and no two look alike; every chart is one that Vega-Lite takes."""

import itertools

import pytest
from rows import record

from backprop.bench.report import accuracy, charts, looks
from backprop.bench.report.answer import find_lead
from backprop.bench.report.data import SIZES
from backprop.registry import installed_strategies, known_peers

OWN = [*installed_strategies(), *known_peers()]
LOOK = looks.channels(["short-form", "mine"])


def pairs(names):
    return {(one.colour, one.shape) for one in looks.looks(names).values()}


def test_no_two_strategies_or_peers_share_colour_and_shape():
    assert len(OWN) > 20
    assert len(pairs(OWN)) == len(OWN)
    assert len({(one.colour, one.sign) for one in looks.looks(OWN).values()}) == len(OWN)


def test_strategies_from_outside_share_their_look_with_nobody():
    names = [*OWN, *(f"s{k}" for k in range(20))]
    assert len(pairs(names)) == len(names)


def test_the_look_of_a_strategy_depends_on_its_name_and_on_no_other_in_the_chart():
    alone = {name: looks.looks([name])[name] for name in (*OWN, "mine")}
    assert looks.looks([*alone]) == alone
    assert looks.looks(reversed([*alone])) == alone


def test_no_two_rungs_that_follow_each_other_share_a_colour_or_a_shape():
    found = list(looks.looks(installed_strategies()).values())
    for one, other in itertools.pairwise(found):
        assert one.colour != other.colour
        assert one.shape != other.shape


def test_a_name_that_comes_twice_has_one_look_and_more_names_than_looks_share_some():
    assert list(looks.looks(["a", "b", "a"])) == ["a", "b"]
    assert len(looks.looks(f"s{k}" for k in range(100))) == 100


SPECS = {
    "bars": lambda: charts.bars(find_lead([record(), record("vjp", 5.0)])),
    "agreement": charts.agreement,
    "roofline": lambda: charts.roofline(LOOK),
    "learning": lambda: charts.learning_curve(
        looks.logarithmic("x", "steps", looks.PLAIN), LOOK, nested=True
    ),
    "curve": lambda: charts.error_curve({"title": "step h", "dtype": "float64", "rings": True}, LOOK),
} | {
    f"{quantity} {swept}": lambda quantity=quantity, swept=swept: charts.against_size(
        quantity, SIZES[swept], LOOK
    )
    for quantity in charts.QUANTITIES
    for swept in SIZES
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
    assert accuracy.find_accuracy(tmp_path / "run") == tmp_path / place / "accuracy.csv"


def test_no_file_is_no_curve(tmp_path):
    assert accuracy.find_accuracy(tmp_path) is None


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "experiment\nstep\n", "\x00"])
def test_a_file_of_something_else_is_no_curve(tmp_path, text):
    path = tmp_path / "accuracy.csv"
    path.write_text(text)
    assert accuracy.read_curves(path) == []

"""The headline: what every derivation costs against the short form, measured or predicted."""

import pytest
from headline import headline_cells, headline_table
from rows import left_out, record, wrong

from backprop.bench.report.ranking import HEADLINE

PLACE = {"scenario": HEADLINE[0], "dtype": HEADLINE[1], "network": "784-512-10 relu cross-entropy"}


def rows():
    return [
        record("layerwise-vjp", 3e-3, ratio_to_short_form=3.0, noise_floor=1.02, **PLACE),
        record("short-form", 1e-3, ratio_to_short_form=1.0, noise_floor=1.02, **PLACE),
        left_out("finite-differences", "over-time-budget", predicted_time_s=700.0, **PLACE),
        left_out("full-jacobian", predicted_time_s=0.5, predicted_peak_bytes=1_640_000_000, **PLACE),
        left_out("dead", "crashed", predicted_time_s=1e-6, **PLACE),
        wrong("mistaken", **PLACE),
        record("short-form", 9e-3, **PLACE | {"dtype": "float32"}),
        record("elsewhere", 1e-9, **PLACE | {"scenario": "toy"}),
    ]


def test_right_and_predicted_cells_of_the_scenario_are_shown():
    names = {"short-form", "layerwise-vjp", "full-jacobian", "finite-differences"}
    assert {cell.strategy for cell in headline_cells(rows())} == names


def test_the_table_marks_what_is_predicted():
    lines = headline_table(rows()).splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert table[0] == ["strategy", "time of one gradient", "÷ short form", "noise floor", "memory", "error"]
    assert table[2] == ["`short-form`", "1 ms", "1.00x", "1.020", "9.3 kB", "1.0e-16"]
    assert table[4] == [
        "`full-jacobian`",
        "≈ 500 ms",
        "≈ 500x",
        "-",
        "≈ 1.64 GB",
        "not run: over memory budget",
    ]
    assert table[5][1:3] == ["≈ 700 s", "≈ 700,000x"]
    assert len(table) == 6


def test_a_column_may_say_which_layers_every_strategy_does():
    lines = headline_table(rows(), {row.strategy: f"layers of {row.strategy}" for row in rows()}).splitlines()
    assert lines[0].endswith("| other layers |")
    assert [line.split("|")[-2].strip() for line in lines[2:]] == [
        f"layers of {name}" for name in ("short-form", "layerwise-vjp", "full-jacobian", "finite-differences")
    ]


@pytest.mark.parametrize("missing", ["short-form", "everything"])
def test_without_the_short_form_there_is_nothing_to_show(missing):
    kept = [row for row in rows() if row.strategy != "short-form"] if missing == "short-form" else []
    assert headline_cells(kept) == []

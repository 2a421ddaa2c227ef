"""The tables of a run: a figure has a text to be read and a number to be sorted by; nothing is left out."""

import pytest
from rows import RUN, agreement, left_out, record, timed, write_journal, wrong

from backprop import units
from backprop.bench.baselines import TWIN
from backprop.bench.report import tables, write_reports
from backprop.bench.report.scaling import exponents
from backprop.bench.report.tables import measurement_rows


def column(table, header):
    return [figures[header] for _, figures in table]


def test_right_cells_by_time_then_wrong_ones_then_what_did_not_run():
    slow, quick = (
        record("slow", 2e-3, rank_best=2, rank_worst=2),
        record("quick", 1e-3, rank_best=1, rank_worst=2),
    )
    table = list(tables.ranking([left_out("dense"), wrong("fast-but-wrong"), slow, quick]))
    assert [cell.text for cell in column(table, "strategy")] == ["quick", "slow", "fast-but-wrong", "dense"]
    assert [cell.text for cell in column(table, "#")] == ["1-2", "2", "", ""]
    assert [cell.sort for cell in column(table, "#")] == ["1.0002", "2.0002", "", ""]
    assert [cell.status for cell, _ in table] == ["ok", "ok", "disagrees", "over-memory-budget"]


def test_scenarios_are_ranked_one_after_another():
    rows = [record("a", 2.0), record("b", 1.0, scenario="small"), record("c", 1.0)]
    assert [cell.strategy for cell, _ in tables.ranking(rows)] == ["c", "a", "b"]


def test_what_is_only_predicted_is_ranked_by_its_predicted_figures():
    rows = [
        left_out("dear", "predicted", predicted_time_s=3.0, predicted_peak_bytes=10**9),
        left_out("short-form", "predicted", predicted_time_s=2e-3, predicted_peak_bytes=10**6),
    ]
    headers = ("strategy", "time", "÷ short form", "peak memory")
    table = [[figures[name].text for name in headers] for _, figures in tables.ranking(rows)]
    assert table == [["short-form", "≈ 2 ms", "≈ 1.00x", "≈ 1 MB"], ["dear", "≈ 3 s", "≈ 1,500x", "≈ 1 GB"]]


def test_no_ratio_is_formed_to_a_short_form_that_is_wrong():
    rows = [wrong("short-form"), left_out("dense", predicted_time_s=2.0)]
    assert [cell.text for cell in column(tables.ranking(rows), "÷ short form")][1] == "-"


def test_a_number_is_sorted_by_its_value_and_not_by_its_text():
    times = column(tables.ranking([record(time=9e-6), record("b", 2.0)]), "time")
    assert [cell.text for cell in times] == ["9 µs", "2 s"]
    assert [float(cell.sort) for cell in times] == [9e-6, 2.0]


def test_what_is_missing_has_no_key():
    (cell,) = column(tables.ranking([record(gradient_error=None)]), "error")
    assert (cell.text, cell.sort) == ("-", "")


def test_a_measured_time_has_its_interval_and_a_predicted_one_its_sign():
    rows = [
        record(time_low_s=0.9e-3, time_high_s=1.2e-3, ratio_low=0.98, ratio_high=1.01),
        left_out("dense", predicted_time_s=2.0, predicted_peak_bytes=3 * 10**9),
    ]
    table = list(tables.ranking(rows))
    time, ratio, memory = (column(table, name) for name in ("time", "÷ short form", "peak memory"))
    assert [cell.note for cell in time] == ["900 µs to 1.2 ms", ""]
    assert ratio[0].note == "0.98x to 1.01x"
    assert [time[1].text, ratio[1].text, memory[1].text] == ["≈ 2 s", "≈ 2,000x", "≈ 3 GB"]


def test_an_unstable_cell_says_why():
    (status,) = column(tables.ranking([record(unstable="start 2 differs by 30%")]), "status")
    assert (status.text, status.note) == ("ok, unstable", "start 2 differs by 30%")


def test_what_was_left_out_has_its_reason():
    table = list(tables.left_out([record(), left_out("dense", reason="needs 2 GB")]))
    assert [cell.text for cell in column(table, "strategy")] == ["dense"]
    assert [cell.text for cell in column(table, "reason")] == ["needs 2 GB"]


@pytest.mark.parametrize("low", [None, 1.0])
def test_an_interval_needs_both_ends(low):
    assert units.interval(low, None, str) == ""


# Agreement and exponents


def test_every_pair_is_in_the_matrix_twice_and_marked_where_it_is_apart():
    rows = [agreement("a", "b"), agreement("a", "c", distance=0.5, agrees=False), agreement("b", "c")]
    (matrix,) = tables.matrices(rows)
    lines = [distances for _, distances in matrix.rows()]
    assert (matrix.label, matrix.names) == ("toy, float64", ("a", "b", "c"))
    assert lines == [list(other) for other in zip(*lines, strict=True)]
    assert lines[0] == ["", "1.0e-16", "5.0e-01 ✗"]


def test_an_exponent_stands_beside_the_cells_that_it_was_fitted_to():
    rows = [
        record(time=1e-3 * n, batch_size=n, dtype=dtype, predicted_time_s=1e-3 * n, scenario=f"b{n}")
        for dtype in ("float32", "float64")
        for n in (1, 4, 16)
    ]
    lines = tables.exponent_rows(rows, exponents(rows))
    assert [line["cell"] for line in lines] == ["4-3-2, float32", "4-3-2, float64"]
    assert lines[0]["against"] == "batch 1 to 16, 3 sizes"
    assert lines[0]["time"].startswith("1.00 (")
    assert lines[0]["time, predicted"] == "1.00"


# How well the cells were measured


def test_a_row_says_how_well_its_cell_was_measured():
    (row,) = measurement_rows([timed("a", 2e-3, unstable="drift")])
    assert row == {
        "strategy": "a",
        "95% of the time": "1.98 ms to 2.02 ms",
        "95% of ÷ short form": "1.96x to 2.04x",
        "noise floor": "1.020",
        "would be found": "3.1%",
        "against short form": "slower",
        "starts": "12",
        "turns": "72",
        "group": "0",
        "predicted time": "2 ms",
        "of GEMM peak": "50.0%",
        "of bandwidth": "25.0%",
        "memory by": "memray",
        "unstable": "drift",
    }


def test_what_is_missing_is_a_dash():
    cell = timed(
        "a", 1e-3, noise_floor=None, ratio_low=None, ratio_high=None, verdict=None, memory_tracker=None
    )
    (row,) = measurement_rows([cell])
    for name in ("95% of ÷ short form", "noise floor", "against short form", "memory by", "unstable"):
        assert row[name] == "-"


def test_cells_of_a_quick_look_and_those_left_out_have_no_row():
    rows = [record("quick"), left_out(), timed("slow", 3e-3), timed("fast", 1e-3)]
    assert [row["strategy"] for row in measurement_rows(rows)] == ["fast", "slow"]


def test_a_slow_cell_says_how_few_turns_it_took():
    slow = timed("slow", 20.0, starts=3, rounds=3, samples_s=[[20.0]] * 3)
    (row,) = measurement_rows([slow])
    assert (row["starts"], row["turns"]) == ("3", "3")


def test_the_noise_floor_stands_beside_every_ratio_of_a_report(tmp_path):
    twin = timed("twin", 1e-3, seed=2).samples_s
    short = timed("short-form", 1e-3, baselines_s={TWIN: twin})
    write_journal(tmp_path, short, timed("b", 2e-3, seed=1), run=RUN)
    write_reports(tmp_path)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    headers = [line for line in report.splitlines() if line.startswith("|") and "÷ short form" in line]
    assert len(headers) == 2
    assert all("noise floor" in header for header in headers)
    assert "| 2 | b | 2 ms |" in report
    assert "| 1.00" in report
    assert "1 pair of cells compared." in report


def test_the_report_of_a_quick_look_has_no_empty_column_for_it(tmp_path):
    write_journal(tmp_path, record("short-form"), record("b", 2e-3), run=RUN)
    write_reports(tmp_path)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "noise floor" not in report
    assert "| # |" not in report

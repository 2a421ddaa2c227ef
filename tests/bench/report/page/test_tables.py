"""A cell of a table has a text to be read and a number to be sorted by; nothing is left out of it."""

import pytest
from rows import left_out, record, wrong

from backprop.bench.report.frame import to_frame
from backprop.bench.report.page import tables


def column(table, header):
    place = [name for name, _ in table.headers].index(header)
    return [row.name if place == 0 else row.cells[place - 1] for row in table.rows]


def test_right_cells_by_time_then_wrong_ones_then_what_did_not_run():
    slow, quick = (
        record("slow", 2e-3, rank_best=2, rank_worst=2),
        record("quick", 1e-3, rank_best=1, rank_worst=2),
    )
    table = tables.ranked_table(to_frame([left_out("dense"), wrong("fast-but-wrong"), slow, quick]))
    assert column(table, "strategy") == ["quick", "slow", "fast-but-wrong", "dense"]
    assert [cell.text for cell in column(table, "rank")] == ["1-2", "2", "", ""]
    assert [cell.sort for cell in column(table, "rank")] == ["1.0002", "2.0002", "", ""]
    assert [row.status for row in table.rows] == ["ok", "ok", "disagrees", "over-memory-budget"]


def test_every_row_has_a_cell_for_every_header():
    for table in (
        tables.ranked_table(to_frame([record(), left_out()])),
        tables.left_out_table(to_frame([record(), left_out()])),
    ):
        assert {len(row.cells) + 1 for row in table.rows} == {len(table.headers)}


def test_a_number_is_sorted_by_its_value_and_not_by_its_text():
    times = column(tables.ranked_table(to_frame([record(time=9e-6), record("b", 2.0)])), "time")
    assert [cell.text for cell in times] == ["9 µs", "2 s"]
    assert [float(cell.sort) for cell in times] == [9e-6, 2.0]


def test_what_is_missing_has_no_key():
    (cell,) = column(tables.ranked_table(to_frame([record(gradient_error=None)])), "error")
    assert (cell.text, cell.sort) == ("-", "")


def test_a_measured_time_has_its_interval_and_a_predicted_one_its_sign():
    rows = [
        record(time_low_s=0.9e-3, time_high_s=1.2e-3, ratio_low=0.98, ratio_high=1.01),
        left_out("dense", predicted_time_s=2.0, predicted_peak_bytes=3 * 10**9),
    ]
    table = tables.ranked_table(to_frame(rows))
    time, ratio, memory = (column(table, name) for name in ("time", "÷ short form", "memory"))
    assert [cell.note for cell in time] == ["900 µs to 1.2 ms", ""]
    assert ratio[0].note == "0.98x to 1.01x"
    assert [time[1].text, ratio[1].text, memory[1].text] == ["≈ 2 s", "≈ 2,000x", "≈ 3 GB"]


def test_an_unstable_cell_says_why():
    (status,) = column(tables.ranked_table(to_frame([record(unstable="start 2 differs by 30%")])), "status")
    assert status.note == "unstable: start 2 differs by 30%"


def test_what_was_left_out_has_its_reason():
    table = tables.left_out_table(to_frame([record(), left_out("dense", reason="needs 2 GB")]))
    assert column(table, "strategy") == ["dense"]
    assert [cell.text for cell in column(table, "reason")] == ["needs 2 GB"]


def test_more_rows_than_a_page_has_room_for_are_counted(monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    table = tables.ranked_table(to_frame([record(f"s{k}") for k in range(5)]))
    assert (len(table.rows), table.dropped) == (2, 3)


@pytest.mark.parametrize("low", [None, 1.0])
def test_an_interval_needs_both_ends(low):
    assert tables.interval(low, None, str) == ""

"""How well it was measured: what may be concluded, and one row a cell with its doubts."""

import numpy as np
from rows import RUN, described, left_out, record, write_journal

from backprop.bench.baselines import TWIN
from backprop.bench.report import write_reports
from backprop.bench.report.frame import to_frame
from backprop.bench.report.measurement import found_note, measurement_rows, ranking_note


def timed(strategy, median, floor=1.02, seed=0, **changes):
    noise = np.exp(0.005 * np.random.default_rng(seed).standard_normal((12, 6)))
    values = {
        "samples_s": (median * noise).tolist(),
        "time_low_s": 0.99 * median,
        "time_high_s": 1.01 * median,
        "ratio_low": 0.98 * median / 1e-3,
        "ratio_high": 1.02 * median / 1e-3,
        "noise_floor": floor,
        "verdict": "slower",
        "detectable": 1.031,
        "turns_group": 0,
        "starts": 12,
        "rounds": 72,
        "flops_share": 0.5,
        "bandwidth_share": 0.25,
        "memory_tracker": "memray",
    }
    return record(strategy, median, **values | changes)


def note(*cells):
    return ranking_note(to_frame(list(cells)))


def test_the_note_says_how_many_pairs_are_compared_and_that_they_hold_together():
    cells = [timed(f"s{k}", 1e-3, scenario=name) for name in ("a", "b") for k in range(4)]
    assert note(*cells).startswith("12 pairs of cells compared.")
    assert "among all pairs at once (Holm)" in note(*cells)


def test_with_too_few_starts_the_note_says_why_there_are_no_ranks():
    said = note(timed("a", 1e-3, starts=4), timed("b", 1e-3, starts=3))
    assert said == "No ranks and no claims: 3 to 4 starts, expected at least 6."
    assert "Cells with fewer than 6 starts, which have no rank: 1." in note(
        timed("a", 1e-3), timed("b", 1e-3), timed("slow", 1, starts=3)
    )


def test_the_note_says_whether_what_was_asked_for_was_reached():
    frame = to_frame([timed("a", 1e-3), timed("b", 1e-3, ratio_low=0.9, ratio_high=1.1, detectable=1.2)])
    said = ranking_note(frame, described(settings={"precision": 0.03, "claim": 0.25}))
    assert "Intervals were to reach 3% to either side: not reached in 1 of 2, as the time allowed." in said
    assert "A difference of 25% was to be found: reached." in said


def test_a_table_says_what_would_have_been_found():
    cells = [timed("a", 1e-3), timed("b", 1e-3, detectable=1.2)]
    assert found_note(to_frame(cells)).startswith(
        "A difference from the short form of 3.1% to 20% would have"
    )
    assert found_note(to_frame(cells[:1])).startswith("A difference from the short form of 3.1% would have")
    assert found_note(to_frame([record()])) == ""


def test_of_one_process_the_note_says_that_nothing_can_be_concluded():
    assert note(record("a", 1e-3), record("b", 1.0001e-3)).startswith(
        "No intervals, no ranks and no claims: "
    )
    assert note(left_out()) == ""


def test_a_row_says_how_well_its_cell_was_measured():
    (row,) = measurement_rows(to_frame([timed("a", 2e-3, unstable="drift")]))
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
    (row,) = measurement_rows(to_frame([cell]))
    for name in ("95% of ÷ short form", "noise floor", "against short form", "memory by", "unstable"):
        assert row[name] == "-"


def test_cells_of_a_quick_look_and_those_left_out_have_no_row():
    rows = [record("quick"), left_out(), timed("slow", 3e-3), timed("fast", 1e-3)]
    assert [row["strategy"] for row in measurement_rows(to_frame(rows))] == ["fast", "slow"]


def test_a_slow_cell_says_how_few_turns_it_took():
    slow = timed("slow", 20.0, starts=3, rounds=3, samples_s=[[20.0]] * 3)
    (row,) = measurement_rows(to_frame([slow]))
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

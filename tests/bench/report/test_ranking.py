"""The ranking of the cells of a run."""

from rows import left_out, record, wrong

from backprop.bench.report.ranking import rank, ranked


def test_right_cells_by_time_then_wrong_ones_then_what_did_not_run_by_its_prediction():
    rows = [
        left_out("dear", predicted_time_s=9.0),
        left_out("cheap", predicted_time_s=1.0),
        left_out("unknown", "unsupported", predicted_time_s=None),
        wrong("fast-but-wrong"),
        record("slow", 2e-3),
        record("untimed", time_median_s=None),
        record("quick", 1e-3),
    ]
    names = ["quick", "slow", "untimed", "fast-but-wrong", "cheap", "dear", "unknown"]
    assert [cell.strategy for cell in ranked(rows)] == names


def test_a_rank_is_shared_and_a_wrong_cell_has_none():
    assert rank(record(rank_best=1, rank_worst=3)) == "1-3"
    assert rank(record(rank_best=2, rank_worst=2)) == "2"
    assert rank(wrong(rank_best=1, rank_worst=1)) == ""
    assert rank(record()) == ""

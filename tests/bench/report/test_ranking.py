"""One ranking and one answer: for the records of a run and for the rows of a frame they are the same."""

import itertools

import pytest
from rows import described, left_out, record, timed, wrong

from backprop.bench.report.frame import to_frame, tuples
from backprop.bench.report.ranking import HEADLINE, answer, find_lead, found_note, rank, ranked, ranking_note

PLACE = {"scenario": HEADLINE[0], "dtype": HEADLINE[1], "network": "784-512-10 relu", "parameters": 407_050}


def found(*rows):
    return find_lead(rows)


def said(*rows):
    return answer(rows).headline


def verdict(*rows):
    return answer(rows).verdict


def test_the_bars_are_ratios_to_the_short_form_the_cheapest_first():
    lead = found(record("dense", 9.0), record("short-form", 1e-3), record("vjp", 4e-2))
    assert lead.base == "short-form"
    assert [(bar.strategy, bar.ratio) for bar in lead.bars] == [
        ("short-form", 1.0),
        ("vjp", pytest.approx(40)),
        ("dense", pytest.approx(9000)),
    ]
    assert (
        said(record("dense", 9.0), record(), record("vjp", 4e-2))
        == "The same gradient: 1x, 40x, 9,000x the time"
    )


def test_the_ratio_is_the_one_that_turns_gave_with_its_interval():
    lead = found(record(), record("vjp", 2e-3, ratio_to_short_form=1.7, ratio_low=1.6, ratio_high=1.8))
    bar = lead.bars[1]
    assert (bar.ratio, bar.low, bar.high) == (1.7, 1.6, 1.8)


def test_what_did_not_fit_its_budget_is_predicted_beside_what_was_measured():
    lead = found(
        record(),
        left_out("black-box", "over-time-budget", predicted_time_s=473.0),
        left_out("dead", "crashed", predicted_time_s=1e-9),
    )
    assert [(bar.strategy, bar.predicted) for bar in lead.bars] == [
        ("short-form", False),
        ("black-box", True),
    ]
    assert lead.bars[1].text == "≈\u00a0473,000x"


def test_wrong_gradients_and_other_scenarios_are_no_bars():
    lead = found(record(), wrong(), record("vjp", dtype="float32", parameters=5))
    assert [bar.strategy for bar in lead.bars] == ["short-form"]


def test_without_the_short_form_the_fastest_is_1x():
    lead = found(record("a", 2e-3, ratio_to_short_form=None), record("b", 1e-3, ratio_to_short_form=None))
    assert (lead.base, [bar.ratio for bar in lead.bars]) == ("b", [1.0, 2.0])


def test_the_scenario_of_the_reference_comes_before_a_larger_one():
    larger = {"scenario": "huge", "parameters": 10**7}
    lead = found(record(**larger), record("b", **larger), record(**PLACE), record("vjp", **PLACE))
    assert (lead.scenario, lead.dtype) == HEADLINE


def test_of_the_reference_scenario_one_strategy_alone_is_no_comparison():
    larger = {"scenario": "huge", "parameters": 10**7}
    assert found(record(**PLACE), record(**larger), record("b", **larger)).scenario == "huge"


def test_a_ratio_to_a_short_form_that_is_not_right_is_not_taken():
    rows = [wrong("short-form", time_median_s=1e-9), record("a", 1e-3, ratio_to_short_form=10**6)]
    assert [(bar.strategy, bar.ratio) for bar in found(*rows).bars] == [("a", 1.0)]


def test_otherwise_it_is_the_largest_network_and_of_those_the_one_with_most_strategies():
    one = {"scenario": "one", "parameters": 100}
    two = {"scenario": "two", "parameters": 100}
    small = {"parameters": 5}
    few = [record(f"s{k}", **small) for k in range(5)]
    lead = found(*few, record(**two), record("b", **two), record(**one))
    assert lead.scenario == "two"


def test_the_headline_names_few_that_lie_far_apart():
    rows = [record(f"s{k}", 1e-3 * 2**k) for k in range(12)]
    lead = found(record(), *rows)
    assert len(lead.named) == 4
    ratios = [bar.ratio for bar in lead.named]
    assert ratios[0] == 1
    assert ratios[-1] == pytest.approx(2**11)
    assert all(later / earlier > 4 for earlier, later in itertools.pairwise(ratios))


def test_two_that_are_alike_are_still_both_named():
    assert said(record(), record("vjp", 1.2e-3)) == "The same gradient: 1x, 1.20x the time"


def test_the_sentence_says_who_is_who():
    said = answer([record(), record("vjp", 40e-3)])
    assert said.sentence == "1x is short-form, 1 ms a gradient; 40x vjp."
    assert said.lead.title == "4-3-2 relu cross-entropy, 23 parameters, batch 8, float64, 1 thread"


def test_one_strategy_alone_is_told_by_its_time():
    assert said(record()) == "One gradient by short-form: 1 ms"


def test_a_run_that_was_only_predicted_says_so():
    rows = [left_out("short-form", "predicted", predicted_time_s=1e-3), left_out("b", predicted_time_s=1.0)]
    assert said(*rows).startswith(
        "No cell was measured; predicted for the same gradient: ≈\u00a01x, ≈\u00a01,000x"
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No cell was measured"),
        ([left_out(status="crashed")], "No cell was measured"),
        ([wrong()], "No right gradient was measured"),
    ],
    ids=["empty", "crashed", "wrong"],
)
def test_nothing_to_open_with_is_said(rows, words):
    assert find_lead(rows) is None
    assert said(*rows) == words


def test_the_verdict_names_wrong_gradients_and_counts_what_is_missing():
    assert "wrong (toy, float64)" in verdict(record(), wrong())
    assert verdict(record(), record("b"), left_out()).startswith("All 2 measured cells are within")
    assert "1 cell was left out" in verdict(record(), left_out())
    assert verdict() == "The run holds no cell at all."


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
    assert [cell.strategy for cell in ranked(tuples(to_frame(rows)))] == names


def test_a_rank_is_shared_and_a_wrong_cell_has_none():
    assert rank(record(rank_best=1, rank_worst=3)) == "1-3"
    assert rank(record(rank_best=2, rank_worst=2)) == "2"
    assert rank(wrong(rank_best=1, rank_worst=1)) == ""
    assert rank(record()) == ""


def test_records_and_the_frame_of_them_give_the_same_answer():
    rows = [record(), record("vjp", 40e-3), wrong(), left_out("dense", predicted_time_s=2.0)]
    assert answer(rows) == answer(tuples(to_frame(rows)))


def note(*cells):
    return ranking_note(list(tuples(to_frame(list(cells)))))


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
    cells = list(
        tuples(to_frame([timed("a", 1e-3), timed("b", 1e-3, ratio_low=0.9, ratio_high=1.1, detectable=1.2)]))
    )
    said = ranking_note(cells, described(settings={"precision": 0.03, "claim": 0.25}))
    assert "Intervals were to reach 3% to either side: not reached in 1 of 2, as the time allowed." in said
    assert "A difference of 25% was to be found: reached." in said


def test_a_table_says_what_would_have_been_found():
    cells = [timed("a", 1e-3), timed("b", 1e-3, detectable=1.2)]
    assert found_note(cells).startswith("A difference from the short form of 3.1% to 20% would have")
    assert found_note(cells[:1]).startswith("A difference from the short form of 3.1% would have")
    assert found_note([record()]) == ""


def test_of_one_process_the_note_says_that_nothing_can_be_concluded():
    assert note(record("a", 1e-3), record("b", 1.0001e-3)).startswith(
        "No intervals, no ranks and no claims: "
    )
    assert note(left_out()) == ""

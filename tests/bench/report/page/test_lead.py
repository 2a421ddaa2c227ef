"""The page opens with one scenario, what every derivation costs there, and a headline that says it."""

import itertools

import pytest
from rows import left_out, record, wrong

from backprop.bench.report.frame import to_frame
from backprop.bench.report.headline import SCENARIO
from backprop.bench.report.page.lead import find_lead, headline, sentence, verdict

PLACE = {"scenario": SCENARIO[0], "dtype": SCENARIO[1], "network": "784-512-10 relu", "parameters": 407_050}


def found(*rows):
    return find_lead(to_frame(list(rows)))


def said(*rows):
    frame = to_frame(list(rows))
    return headline(find_lead(frame), frame)


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
    assert (lead.scenario, lead.dtype) == SCENARIO


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
    lead = found(record(), record("vjp", 40e-3))
    assert sentence(lead) == "1x is short-form, 1 ms a gradient; 40x vjp."
    assert lead.title == "4-3-2 relu cross-entropy, 23 parameters, batch 8, float64, 1 thread"


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
    assert find_lead(to_frame(rows)) is None
    assert said(*rows) == words


def test_the_verdict_names_wrong_gradients_and_counts_what_is_missing():
    assert "wrong (toy, float64)" in verdict(to_frame([record(), wrong()]))
    assert verdict(to_frame([record(), record("b"), left_out()])).startswith(
        "All 2 measured cells are within"
    )
    assert "1 cell was left out" in verdict(to_frame([record(), left_out()]))
    assert verdict(to_frame([])) == "The run holds no cell at all."

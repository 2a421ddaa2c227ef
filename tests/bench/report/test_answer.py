"""One answer in words: for the records of a run and for the rows of a frame it is the same."""

import itertools

import pytest
from rows import left_out, record, wrong

from backprop.bench.report.answer import answer, conclusion, find_lead
from backprop.bench.report.ranking import HEADLINE

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


MB = 10**6


def sentence(*rows):
    return answer(rows).sentence


def test_the_sentence_says_what_the_dearest_exact_derivation_takes():
    rows = [
        record("short-form", 1e-3, peak_bytes=4 * MB, gradient_error=2.1e-16),
        record("quotients", 9.0, peak_bytes=9 * MB, gradient_error=2e-10, tolerance=1e-8),
        record("full-jacobian", 4.51, peak_bytes=1480 * MB, gradient_error=3.4e-16),
        left_out("black-box", "over-time-budget", predicted_time_s=500.0),
    ]
    assert sentence(*rows) == (
        "full-jacobian takes 4,510 times the time and 370 times the memory of short-form, "
        "for the same 15 right digits."
    )
    assert sentence(*rows[::-1]) == sentence(*rows)
    assert answer(rows).lead.title == "4-3-2 relu cross-entropy, 23 parameters, batch 8, float64, 1 thread"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"peak_bytes": None},
            "b takes 40 times the time of short-form, for the same 16 right digits.",
        ),
        ({"gradient_error": None}, "b takes 40 times the time and 1.00 times the memory of short-form."),
        ({"gradient_error": 0.0, "peak_bytes": None}, "b takes 40 times the time of short-form."),
        (
            {"peak_bytes": 31},
            "b takes 40 times the time and 1/300 of the memory of short-form, for the same 16 right digits.",
        ),
        (
            {"gradient_error": 3e-10, "tolerance": 1e-8, "peak_bytes": None},
            "b takes 40 times the time of short-form, for 10 right digits instead of 16.",
        ),
        (
            {"gradient_error": 11.0, "tolerance": 40.0, "peak_bytes": None},
            "b takes 40 times the time of short-form, for a rough estimate.",
        ),
    ],
    ids=["no memory", "no error", "error of zero", "little memory", "quotients", "estimate"],
)
def test_the_sentence_says_what_is_known_and_no_more(changes, words):
    assert sentence(record(), record("b", 40e-3, **changes)) == words


def test_a_difference_that_its_interval_does_not_tell_from_none_is_called_noise():
    rows = record(), record("b", 1.01e-3, ratio_low=0.98, ratio_high=1.04)
    assert sentence(*rows).startswith(
        "b takes as long as short-form, within the noise, and 1.00 times the memory"
    )


def test_the_sentence_does_not_speak_of_what_did_not_run():
    alone = record(), left_out("dense", "over-time-budget", predicted_time_s=9.0)
    assert sentence(*alone) == "short-form needs 9.3 kB of memory and gives a gradient with 16 right digits."
    assert sentence(left_out("short-form", "predicted"), left_out("b", "predicted")) == ""
    assert sentence(wrong()) == ""


def test_one_strategy_alone_is_told_by_its_time_once():
    assert said(record()) == "One gradient by short-form: 1 ms"
    assert "1 ms" not in sentence(record())
    assert "1 ms" not in sentence(record(peak_bytes=None))
    assert sentence(record(peak_bytes=None, gradient_error=None)) == ""


@pytest.mark.parametrize("busy", ["short-form", "b", "c"])
def test_a_figure_that_is_unstable_is_not_to_be_published_and_the_headline_says_so_first(busy):
    times = {"short-form": 1e-3, "b": 4e-3, "c": 9.0}
    rows = [record(name, time, unstable="drift" if name == busy else "") for name, time in times.items()]
    found = answer(rows)
    assert found.headline == "Unstable: do not publish. The same gradient: 1x, 4.00x, 9,000x the time"
    assert found.doubt.startswith("1 of 3 measured cells is unstable")


def test_a_cell_elsewhere_that_is_unstable_is_counted_and_is_not_in_the_headline():
    found = answer([record(), record("b", 2e-3), record(scenario="small", parameters=5, unstable="drift")])
    assert found.headline == "The same gradient: 1x, 2.00x the time"
    assert found.doubt.startswith("1 of 3 measured cells is unstable")
    assert answer([record(), left_out(unstable="")]).doubt == ""


def test_all_unstable_cells_are_said_to_be_all():
    assert answer([record(unstable="drift")]).doubt == "The one measured cell is unstable: do not publish."
    rows = [record(unstable="drift"), wrong(unstable="drift")]
    assert answer(rows).doubt == "All 2 measured cells are unstable: do not publish."


def test_the_conclusion_below_a_ranking_is_one_sentence():
    assert conclusion([record(), record("b", 2e-3)]) == [sentence(record(), record("b", 2e-3))]
    assert conclusion([record()]) == [f"One gradient by short-form: 1 ms. {sentence(record())}"]
    assert conclusion([left_out("short-form", "predicted")])[0].startswith("No cell was measured; predicted")
    assert conclusion([wrong()]) == conclusion([]) == []


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
    assert verdict(record(), record("b"), left_out()).startswith("All 2 measured gradients are right, within")
    assert "1 cell was left out" in verdict(record(), left_out())
    assert verdict() == "The run holds no cell at all."

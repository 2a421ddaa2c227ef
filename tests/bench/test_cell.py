"""A cell becomes a row whatever its strategy does, and nothing runs that does not fit its budget."""

import signal

import numpy as np
import pytest
from planted.failing import (
    CannotCompile,
    ChangesTheParameters,
    CostRaises,
    Endless,
    EndlessTolerance,
    Hungry,
    LeavesTheProcess,
    LoadsOnce,
    LyingCost,
    NeedsTooMuch,
    NotANumber,
    NumpyNumbers,
    OddName,
    OnceWrongThenRaises,
    OnlyToy,
    OtherDtype,
    Raises,
    RaisesWhilePreparing,
    ReturnsAnArray,
    Slow,
    Spy,
    Unsupported,
)
from planted.wrong import ByHand, MissingMean, OneWrongElement, TransposedWeight, WrongOffDiagonal

from backprop import Network
from backprop.bench.report import markdown
from backprop.bench.report.frame import to_csv
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import Steps, Workbench
from backprop.notation import NETWORKS
from backprop.registry import find_strategy

SQUARE = Scenario("square", Network.mlp(4, 3, 3, 2), 8, pooled_to=2, digits=(0, 1), learning_steps=2)
WRONG = (MissingMean, TransposedWeight, WrongOffDiagonal, OneWrongElement)


@pytest.mark.parametrize("planted", WRONG)
@pytest.mark.parametrize("scenario", ["toy", SQUARE], ids=str)
@pytest.mark.parametrize("only_verify", [False, True], ids=["measured", "verified"])
def test_wrong_gradients_disagree(measure, planted, scenario, only_verify):
    done = measure(["short-form", planted()], [scenario], only_verify=only_verify)
    row = done.rows[planted.name]
    assert row.status == "disagrees"
    assert row.agrees is False
    assert row.gradient_error > row.tolerance
    assert done.rows["short-form"].status == "ok"
    assert not done.results.agree
    assert planted.name in done.results.verdict()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_derivation_without_the_mistake_is_ok(measure, dtype):
    done = measure(["short-form", ByHand()], [f"mnist-1/{dtype}", SQUARE])
    assert {row.status for row in done.results.records} == {"ok"}
    assert done.results.agree


def test_a_wrong_gradient_is_measured_all_the_same(measure):
    row = measure([MissingMean()]).rows["missing-mean"]
    assert row.time_median_s == 2.5e-3
    assert row.peak_bytes > 0
    assert row.test_accuracy is not None


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the system has no alarm signals")
def test_a_call_that_does_not_end_is_ended_with_the_time_budget_and_the_next_cell_is_measured(measure):
    done = measure([Endless(), "short-form"], only_verify=True)
    assert done.rows["endless"].status == "timed-out"
    assert done.rows["endless"].reason == "it was not over within 60 s"
    assert done.rows["short-form"].status == "ok"


@pytest.mark.parametrize(("seconds", "is_measured"), [(19, True), (21, False)])
def test_memory_is_left_out_where_the_tracker_would_make_the_call_longer_than_its_budget(
    measure, seconds, is_measured
):
    """The tracker makes a call up to three times slower; the budget is a minute."""
    row = measure([Slow(flops=int(seconds * 1e10))], only_verify=True).rows["slow"]
    assert row.status == "ok"
    assert [row.peak_bytes is not None, row.memory_tracker is not None] == 2 * [is_measured]


def test_the_reason_names_the_worst_element(measure):
    row = measure([OneWrongElement()]).rows["one-wrong-element"]
    assert row.worst_element == "W2[1, 0]"
    assert "W2[1, 0]" in row.reason


def test_quartiles_median_and_minimum_are_those_of_the_samples(measure):
    row = measure(["short-form"]).rows["short-form"]
    assert row.time_median_s == pytest.approx(2.5e-3)
    assert row.time_iqr_s == pytest.approx(1.5e-3)
    assert row.time_min_s == 1e-3
    assert row.rounds == 4
    assert sorted(np.ravel(row.samples_s)) == [1e-3, 2e-3, 3e-3, 4e-3]


def test_ratio_to_the_short_form_is_one_for_itself_and_measured_for_others(measure):
    rows = measure(["short-form", "layerwise-vjp"]).rows
    assert rows["short-form"].ratio_to_short_form == 1
    assert rows["layerwise-vjp"].ratio_to_short_form == 2
    assert rows["layerwise-vjp"].ratio_to_loss == rows["layerwise-vjp"].ratio_to_products == 2


def test_right_strategies_learn_equally_well(measure):
    rows = measure(["short-form", "layerwise-vjp", ByHand()]).rows
    assert len({row.test_accuracy for row in rows.values()}) == 1
    assert rows["short-form"].test_accuracy > 0.9


CRASHES = {
    Raises: ("crashed", "ValueError: no [/luck] with a|b and `<c>` today"),
    RaisesWhilePreparing: ("crashed", "RuntimeError: not prepared"),
    LeavesTheProcess: ("crashed", "SystemExit: good bye"),
    CostRaises: ("crashed", "ZeroDivisionError: no cost"),
    EndlessTolerance: ("crashed", "tolerance inf"),
    ReturnsAnArray: ("crashed", "the gradient is array("),
    OtherDtype: ("crashed", "the gradient is float32; expected float64"),
    ChangesTheParameters: ("crashed", "changed the parameters"),
    NeedsTooMuch: ("out-of-memory", "MemoryError: Unable to allocate 3.00 TiB"),
    CannotCompile: ("unavailable", "no compiler: g++ was not found"),
    Unsupported: ("unsupported", "it wants another network"),
}


@pytest.mark.parametrize("planted", CRASHES)
@pytest.mark.parametrize("only_verify", [False, True], ids=["measured", "verified"])
def test_a_failure_is_a_row_with_its_reason_and_the_run_goes_on(measure, planted, only_verify):
    status, reason = CRASHES[planted]
    done = measure(["layerwise-vjp", planted(), "short-form"], only_verify=only_verify)
    assert list(done.rows) == ["layerwise-vjp", planted.name, "short-form"]
    row = done.rows[planted.name]
    assert (row.status, reason in row.reason) == (status, True), row.reason
    assert "\n" not in row.reason
    assert done.rows["layerwise-vjp"].status == done.rows["short-form"].status == "ok"
    assert planted.name in markdown.left_out_table(done.rows.values())
    assert bool(done.results.failed) == (status not in ("unsupported", "unavailable"))


@pytest.mark.parametrize("lie", [float("nan"), float("inf"), -1, 1.5, 2**2000, "many", None])
def test_a_cost_that_is_none_is_a_row(measure, lie):
    row = measure([LyingCost(lie), "short-form"]).rows["lying-cost"]
    assert row.status == "crashed"
    assert row.reason


def test_numpy_scalars_are_taken_for_what_they_are(measure):
    done = measure([NumpyNumbers()])
    row = done.rows["numpy-numbers"]
    assert row.status == "ok"
    assert type(row.predicted_flops) is type(row.predicted_peak_bytes) is int
    assert done.lines


def test_nan_disagrees_with_everything_and_leaves_the_json_valid(measure):
    done = measure(["short-form", NotANumber(), "layerwise-vjp"])
    row = done.rows["not-a-number"]
    assert (row.status, row.agrees) == ("disagrees", False)
    assert row.gradient_error is None
    pairs = [line for line in done.lines if line["kind"] == "agreement"]
    assert len(pairs) == 3
    for pair in pairs:
        assert pair["agrees"] == ("not-a-number" not in (pair["first"], pair["second"]))


def test_two_gradients_of_nan_disagree_with_each_other(measure):
    other = NotANumber()
    other.name = "not-a-number-either"
    done = measure([NotANumber(), other])
    assert [row.agrees for row in done.results.agreements] == [False]


def test_a_wrong_gradient_stays_wrong_when_the_strategy_crashes_later(measure):
    row = measure([OnceWrongThenRaises(), "short-form"]).rows["once-wrong"]
    assert row.status == "disagrees"
    assert "ValueError: enough" in row.reason


def test_what_a_strategy_does_to_the_parameters_is_undone_for_the_next(measure):
    done = measure([ChangesTheParameters(), "short-form", "layerwise-vjp"])
    alone = measure(["short-form"])
    assert done.rows["short-form"].loss == alone.rows["short-form"].loss


def test_a_strategy_is_never_asked_for_another_network_than_the_scenarios(measure):
    assert measure([OnlyToy()]).rows["only-toy"].status == "ok"


# Budgets


def test_over_the_memory_budget_nothing_is_prepared(measure):
    spy = Spy(peak_bytes=2_000_000_001, flops=123)
    row = measure([spy, "short-form"], memory="2GB").rows["spy"]
    assert spy.calls == []
    assert row.status == "over-memory-budget"
    assert "2 GB" in row.reason
    assert (row.predicted_peak_bytes, row.predicted_flops) == (2_000_000_001, 123)
    assert row.predicted_time_s > 0
    assert row.tolerance > 0
    assert row.time_median_s is row.peak_bytes is row.gradient_error is None


def test_over_the_time_budget_nothing_is_prepared(measure):
    spy = Spy(flops=10**14)
    row = measure([spy, "short-form"], time="60s").rows["spy"]
    assert spy.calls == []
    assert row.status == "over-time-budget"
    assert "60 s" in row.reason
    assert row.predicted_time_s == pytest.approx(1e4)
    assert row.predicted_peak_bytes > 0


def test_a_black_box_is_predicted_by_its_forward_passes(measure):
    spy = Spy(forward_calls=10**12)
    row = measure([spy]).rows["spy"]
    assert (spy.calls, row.status, row.forward_calls) == ([], "over-time-budget", 10**12)


def test_exactly_the_memory_budget_is_within_it(measure):
    spy = Spy(peak_bytes=2_000_000_000)
    assert measure([spy], memory="2GB").rows["spy"].status == "ok"
    assert "call" in spy.calls


def test_verifying_needs_time_for_one_call_only(measure):
    spy = Spy(flops=3 * 10**11)
    assert measure([spy], time="60s").rows["spy"].status == "over-time-budget"
    assert measure([spy], time="60s", only_verify=True).rows["spy"].status == "ok"


def test_nothing_is_dropped_from_strategies_times_scenarios(measure):
    strategies = ["short-form", Raises(), Unsupported(), Spy(peak_bytes=10**12), NotANumber(), OddName()]
    done = measure(strategies, ["toy", SQUARE])
    assert len(done.results.records) == len(done.frame) == 12
    assert set(done.frame.groupby("scenario").size()) == {6}
    assert to_csv(done.frame).count("needs 1 TB") == 2


def test_every_pair_is_compared_in_its_own_scenario(measure):
    done = measure(["short-form", "layerwise-vjp", MissingMean()], ["toy", SQUARE], only_verify=True)
    pairs = [
        ("short-form", "layerwise-vjp"),
        ("short-form", "missing-mean"),
        ("layerwise-vjp", "missing-mean"),
    ]
    seen = [(row.scenario, row.first, row.second, row.agrees) for row in done.results.agreements]
    assert seen == [(name, *pair, pair == pairs[0]) for name in ("toy", "square") for pair in pairs]


# Memory


def test_peak_memory_of_a_planted_allocation_is_in_the_record(measure):
    row = measure([Hungry()], only_verify=True).rows["hungry"]
    assert row.peak_bytes == pytest.approx(100e6, rel=0.02)


def test_what_a_plan_loads_when_it_is_first_prepared_is_not_its_memory(measure):
    row = measure([LoadsOnce()], only_verify=True).rows["loads-once"]
    assert row.status == "ok"
    assert 0 < row.prepare_peak_bytes <= row.peak_bytes < 50e6


def test_complex_passes_are_predicted_four_times_as_long_as_real_ones(measure):
    done = measure(["complex-step", "finite-differences-forward"], only_verify=True)
    complex_row, real = done.rows["complex-step"], done.rows["finite-differences-forward"]
    assert real.forward_calls - complex_row.forward_calls <= 1
    assert 3.5 < complex_row.predicted_time_s / real.predicted_time_s < 4.5


@pytest.mark.parametrize("name", NETWORKS)
def test_a_strategy_is_warmed_up_for_every_known_network(name):
    """Its little network has an activation of the scenario's, and no layer that is made for a shape."""
    bench = Workbench(Scenario.of(Network.parse(name), 2, "float32"), None, 1)
    Steps(bench, find_strategy("layerwise-vjp"), "tracemalloc").warm_up()

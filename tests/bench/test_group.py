"""A group's records, made from turns that are made up: ratios, noise floor, shares, and who fails."""

import contextlib

import numpy as np
import pytest
from planted import wrong

from backprop import Network
from backprop.bench import group as module
from backprop.bench.baselines import LOSS, PRODUCTS, TWIN
from backprop.bench.budget import Budget
from backprop.bench.forecast import Speeds
from backprop.bench.group import Group
from backprop.bench.machine import Limits
from backprop.bench.scenarios import Scenario
from backprop.bench.turns import Outcome, Schedule, Turns
from backprop.bench.workers import WorkerError, WorkerHere
from backprop.data import load

SCENARIO = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")
LIMITS = Limits(1e9, 1e9)


class Stage:
    """What workers would have said: factors on the time of the short form, and failures by target."""

    def __init__(self, factors=None, failures=None, stopped=True, steal=0.0, throttled=0):
        self.factors = {LOSS: 0.5, PRODUCTS: 0.25} | (factors or {})
        self.failures, self.stopped, self.steal, self.throttled = failures or {}, stopped, steal, throttled
        self.asked = []

    def take_turns(self, participants, schedule, site, advance, reference):
        self.asked.append([one.label for one in participants])
        self.schedule, self.reference = schedule, reference
        self.compared = [one.label for one in participants if one.compared]
        outcomes = {}
        for one in participants:
            base = 1e-3 * self.factors.get(one.label, 1.0)
            noise = np.exp(0.01 * np.random.default_rng(len(outcomes)).standard_normal((10, 4)))
            outcomes[one.label] = Outcome((base * noise).tolist(), [0.2] * 10, self.failures.get(one.label))
        return Turns(outcomes, self.steal, self.throttled, self.stopped)


@pytest.fixture
def measure(monkeypatch):
    def verify(group, target, cell, bench, _):
        if target in group.deaths:
            raise WorkerError(*group.deaths[target])
        worker = WorkerHere(bench, cell.strategy)
        cell.verify(worker, bench, 60.0)
        cell.verified |= worker.ask("learn", 60.0)

    monkeypatch.setattr(Group, "_speeds", lambda group: Speeds(LIMITS, 1e-4))
    monkeypatch.setattr(Group, "_verify", verify)
    nobody = contextlib.nullcontext
    monkeypatch.setattr(module, "started_ahead", lambda count, *_: nobody(nobody() for _ in range(count)))
    monkeypatch.setattr(Group, "deaths", {}, raising=False)

    def run(targets, deaths=None, budget=None, scenario=SCENARIO, schedule=None, **stage):
        made = Stage(**stage)
        monkeypatch.setattr(module, "take_turns", made.take_turns)
        monkeypatch.setattr(Group, "deaths", deaths or {}, raising=False)
        group = Group(
            scenario=scenario,
            targets=targets,
            schedule=schedule or Schedule(),
            budget=budget or Budget(1e9, 60.0),
            data="sample",
            threads=1,
            cores=[0],
        )
        said = []
        found = group.measure(load("sample"), said.append, lambda: None)
        return {record.strategy: record for record in found.records}, found.agreements, made

    return run


def test_the_record_of_a_cell_that_is_slower(measure):
    records, agreements, stage = measure(["short-form", "layerwise-vjp"], factors={"layerwise-vjp": 2.0})
    short, other = records["short-form"], records["layerwise-vjp"]
    assert (short.ratio_to_short_form, short.ratio_low, short.ratio_high, short.verdict) == (1, 1, 1, None)
    assert other.ratio_to_short_form == pytest.approx(2, rel=0.02)
    assert other.ratio_low <= other.ratio_to_short_form <= other.ratio_high
    assert other.p_value < 0.002
    assert 1 < other.detectable < 1.1
    assert other.noise_floor == short.noise_floor
    assert short.turns_group == other.turns_group == 0
    assert set(short.baselines_s) == {TWIN, LOSS, PRODUCTS}
    assert other.baselines_s == {}
    assert 1 < short.noise_floor < 1.05
    assert other.ratio_to_loss == pytest.approx(4, rel=0.02)
    assert other.ratio_to_products == pytest.approx(8, rel=0.02)
    assert (other.starts, other.rounds, other.prepare_s) == (10, 40, 0.2)
    assert other.time_low_s <= other.time_median_s <= other.time_high_s
    assert other.time_min_s <= other.time_low_s
    assert [len(start) for start in other.samples_s] == [4] * 10
    assert other.flops_share == pytest.approx(other.predicted_flops / other.time_median_s / 1e9)
    assert other.bandwidth_share == pytest.approx(other.predicted_bytes_moved / other.time_median_s / 1e9)
    assert other.predicted_time_s == max(other.predicted_flops, other.predicted_bytes_moved) / 1e9
    assert [(row.first, row.second, row.agrees) for row in agreements] == [
        ("short-form", "layerwise-vjp", True)
    ]
    assert stage.asked == [["short-form", "layerwise-vjp", TWIN, LOSS, PRODUCTS]]
    assert short.unstable == other.unstable == ""


def test_where_a_precision_is_asked_for_slow_strategies_have_their_budget_and_baselines_buy_nothing(measure):
    _, _, stage = measure(["short-form", "layerwise-vjp"], schedule=Schedule(precision=0.02))
    assert stage.schedule == Schedule(precision=0.02, slow_s=60.0)
    assert stage.reference == "short-form"
    assert stage.compared == ["short-form", "layerwise-vjp", TWIN]
    assert measure(["short-form"])[2].schedule == Schedule()


def test_the_short_form_takes_turns_even_where_it_has_no_row(measure):
    records, _, stage = measure(["layerwise-vjp"])
    assert set(records) == {"layerwise-vjp"}
    assert records["layerwise-vjp"].ratio_to_short_form == pytest.approx(1, rel=0.02)
    assert set(records["layerwise-vjp"].baselines_s) == {"short-form", TWIN, LOSS, PRODUCTS}
    assert stage.asked == [["layerwise-vjp", "short-form", TWIN, LOSS, PRODUCTS]]


def test_a_black_box_is_predicted_by_its_passes(measure):
    records, _, _ = measure(["finite-differences"])
    row = records["finite-differences"]
    assert row.predicted_time_s == pytest.approx(row.forward_calls * 1e-4)


@pytest.mark.parametrize("failing", ["short-form", TWIN])
def test_without_the_pair_there_is_no_ratio_and_no_verdict(measure, failing):
    lost = {failing: WorkerError("timed-out", "no answer")}
    records, _, _ = measure(["short-form", "layerwise-vjp"], failures=lost)
    other = records["layerwise-vjp"]
    assert other.status == "ok"
    assert other.time_median_s is not None
    assert other.ratio_to_short_form is other.noise_floor is other.verdict is None


def test_a_baseline_that_fails_takes_only_its_ratio_with_it(measure):
    records, _, _ = measure(["short-form"], failures={LOSS: WorkerError("crashed", "x")})
    assert records["short-form"].ratio_to_loss is None
    assert records["short-form"].ratio_to_products is not None


@pytest.mark.parametrize("status", ["timed-out", "crashed", "out-of-memory"])
def test_a_worker_that_dies_while_it_is_verified_is_not_timed(measure, status):
    deaths = {"layerwise-vjp": (status, "it died")}
    records, agreements, stage = measure(["short-form", "layerwise-vjp"], deaths)
    assert (records["layerwise-vjp"].status, records["layerwise-vjp"].reason) == (status, "it died")
    assert "layerwise-vjp" not in stage.asked[0]
    assert records["short-form"].status == "ok"
    assert agreements == []


def test_a_worker_that_dies_in_its_turns_has_no_times(measure):
    lost = {"layerwise-vjp": WorkerError("crashed", "SIGSEGV")}
    records, _, _ = measure(["short-form", "layerwise-vjp"], failures=lost)
    assert (records["layerwise-vjp"].status, records["layerwise-vjp"].reason) == ("crashed", "SIGSEGV")
    assert records["layerwise-vjp"].time_median_s is None
    assert records["layerwise-vjp"].samples_s == []


def test_what_was_found_wrong_stays_wrong_though_it_dies_later(measure):
    target = f"{wrong.__file__}:MissingMean"
    records, _, _ = measure(["short-form", target], failures={target: WorkerError("crashed", "SIGSEGV")})
    row = records["missing-mean"]
    assert row.status == "disagrees"
    assert row.reason.endswith("; then SIGSEGV")


def test_what_does_not_fit_is_neither_verified_nor_timed(measure):
    deaths = {"full-jacobian": ("crashed", "it should not have been started")}
    needs = measure(["full-jacobian"])[0]["full-jacobian"].predicted_peak_bytes
    records, _, stage = measure(["short-form", "full-jacobian"], deaths, budget=Budget(needs - 1, 60))
    row = records["full-jacobian"]
    assert row.status == "over-memory-budget"
    assert row.predicted_peak_bytes == needs
    assert "full-jacobian" not in stage.asked[0]


def test_strategies_that_do_not_fit_together_take_turns_in_batches_each_with_its_pair(measure):
    alone = measure(["short-form", "layerwise-vjp"])[0]
    needs = max(row.predicted_peak_bytes for row in alone.values())
    records, _, stage = measure(["short-form", "layerwise-vjp"], budget=Budget(1.5 * needs, 60))
    assert [sorted(batch) for batch in stage.asked] == [
        sorted(["short-form", TWIN, LOSS, PRODUCTS]),
        sorted(["layerwise-vjp", "short-form", TWIN, LOSS, PRODUCTS]),
    ]
    assert all(row.noise_floor and row.ratio_to_short_form for row in records.values())
    assert [row.turns_group for row in records.values()] == [0, 1]


def test_every_reason_for_doubt_is_in_every_cell(measure):
    records, _, _ = measure(["short-form", "layerwise-vjp"], stopped=False, steal=0.1, throttled=2)
    for row in records.values():
        assert row.unstable == (
            "10% of the processor's time was stolen by the host; "
            "the processor slowed down 2 times because it was hot; waiting workers could not be stopped"
        )


@pytest.mark.parametrize("status", ["out-of-memory", "crashed", "timed-out"])
def test_a_worker_that_ends_while_the_machine_is_measured_leaves_a_row_of_every_strategy(
    measure, monkeypatch, status
):
    def end(group):
        raise WorkerError(status, "the process was killed")

    monkeypatch.setattr(Group, "_speeds", end)
    records, agreements, stage = measure(["short-form", "layerwise-vjp"])
    assert {(row.status, row.reason) for row in records.values()} == {(status, "the process was killed")}
    assert (len(records), agreements, stage.asked) == (2, [], [])


@pytest.mark.parametrize(
    ("network", "memory_bytes"),
    [
        (Network.mlp(784, 409_600, 10), 200e6),
        (Network.mlp(2**31 - 1, 2**31 - 1, 10), 1e12),
        (Network.mlp(784, 8192, 10), 200e6),  # the strategy would fit, the reference gradient does not
    ],
)
def test_the_budget_is_tested_before_parameters_and_data_are_made(
    measure, monkeypatch, network, memory_bytes
):
    monkeypatch.setattr(Scenario, "init", lambda *_: pytest.fail("parameters were made"))
    monkeypatch.setattr(Scenario, "samples", lambda *_: pytest.fail("data was made"))
    records, _, stage = measure(
        ["short-form", "finite-differences"],
        budget=Budget(memory_bytes, 1e40),
        scenario=Scenario.of(network, 4, "float64"),
    )
    assert {row.status for row in records.values()} == {"over-memory-budget"}
    assert all(row.predicted_peak_bytes and row.predicted_time_s for row in records.values())
    assert stage.asked == []

"""The self-test counts what it was told, keeps its runs, and a small one runs from end to end."""

import importlib.util
import json

import numpy as np
import pytest
from command import backprop
from tables import sentence

from backprop import Network
from backprop.bench import selftest as module
from backprop.bench.memory import planted_peaks
from backprop.bench.scenarios import Scenario
from backprop.bench.selftest import (
    BASE,
    PAIRS,
    PLANTED,
    TWIN,
    SelfTest,
    gain,
    markdown,
    one_trial,
    resumed,
    rows,
    run_selftest,
    save,
    seen,
    steps_of,
)
from backprop.bench.threads import available_cores
from backprop.bench.turns import Outcome, Schedule, Site, Turns
from backprop.bench.workers import WorkerError
from backprop.errors import OutputError, RecordError

pytestmark = pytest.mark.processes

SCENARIO = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")
SCHEDULE = Schedule(starts=6, turns=5)
SETTINGS = {"scenario": "toy/float64", "starts": 6, "turns": 5, "threads": 1, "cpu": "Fast 9000"}


@pytest.fixture
def perform(monkeypatch):
    """`one_trial` on made-up turns: as slow as they are planted, times factors by label, or a failure."""

    def run(factors=(), failure=None, stopped=True, seed=0, spread=0.005, drift=0.05):
        factors, asked = dict(factors), []

        def take_turns(participants, schedule, site, advance, started):
            rng = site.rng
            assert {one.target for one in participants} == {"short-form"}
            asked.append([one.label for one in participants])
            level = np.exp(drift * rng.standard_normal())  # the machine, at this moment
            outcomes = {}
            for one in participants:
                started()
                factor = factors.get(one.label, 1) * (1 + one.slower_by) * level
                noise = np.exp(spread * rng.standard_normal((schedule.starts, schedule.turns)))
                failed = failure if one.label == TWIN else None
                outcomes[one.label] = Outcome((factor * noise).tolist(), [], failed)
            for _ in range(schedule.starts * schedule.turns):
                advance()
            return Turns(outcomes, 0.0, 0, stopped)

        monkeypatch.setattr(module, "take_turns", take_turns)
        steps = []
        rng = np.random.default_rng(seed)
        site = Site(SCENARIO, "sample", 1, available_cores()[-1:], 4e9, 60.0, rng)
        made = one_trial(site, SCHEDULE, lambda: steps.append(1))
        return made, asked, len(steps)

    return run


def test_a_run_holds_a_pair_for_the_noise_floor_what_is_planted_and_pairs_of_twins(perform):
    trial, asked, steps = perform()
    together, first, second = asked
    assert len(together) == len(set(together)) == 2 + len(PLANTED) + 2 * PAIRS
    assert {BASE, TWIN} <= set(together)
    assert (first, second) == (["first"], ["second"])
    assert set(trial.turns) == set(together)
    assert set(trial.apart) == {"first", "second"}
    assert steps == 14 + 2 + 2 + 3 * 6 * 5
    assert steps_of(SCHEDULE) >= steps


def test_every_pair_has_its_truth_and_pairs_of_twins_share_no_worker(perform):
    found = seen(perform()[0])
    assert [one.planted for one in found] == [0.0] * PAIRS + list(PLANTED)
    for one in found:
        assert np.exp(one.ratio.mean) == pytest.approx(1 + one.planted, rel=0.01)


def test_what_is_planted_is_found_and_twins_are_not_called_different(perform):
    result = SelfTest(SETTINGS, [perform(seed=seed)[0] for seed in range(20)])
    twins, *slowed = result.lines()
    assert (twins.pairs, twins.claimed.value) == (100, 0)
    assert twins.claimed.high == pytest.approx(1 - 0.025**0.01, rel=1e-6)
    assert 0.88 <= twins.covered.value <= 1
    assert [line.pairs for line in slowed] == [20] * 4
    assert slowed[-1].found.value == slowed[-1].claimed.value == 1
    assert slowed[0].claimed.value == 0  # nobody acts on 2%
    assert slowed[-1].ratio == pytest.approx(1.1, rel=0.005)


def test_a_twin_with_its_own_speed_would_be_a_false_claim(perform):
    result = SelfTest(SETTINGS, [perform({"twins 1b": 1.2})[0]])
    assert result.lines()[0].claimed.value == 1 / PAIRS


def test_a_noisy_pair_hides_what_was_planted(perform):
    assert SelfTest(SETTINGS, [perform({TWIN: 1.3})[0]]).lines()[-1].claimed.value == 0


def test_taking_turns_is_worth_what_drift_costs_without(perform):
    result = SelfTest(SETTINGS, [perform(seed=seed)[0] for seed in range(20)])
    apart, together = result.errors()
    assert apart == pytest.approx(0.05 * 2**0.5, rel=0.5)
    assert apart > 5 * together
    assert gain(result).endswith(" times as close.")


def test_a_worker_that_fails_ends_the_run(perform):
    with pytest.raises(WorkerError, match="gone"):
        perform(failure=WorkerError("crashed", "gone"))


def test_workers_that_could_not_be_stopped_are_told(perform):
    assert SelfTest(SETTINGS, [perform()[0]]).stopped
    assert not SelfTest(SETTINGS, [perform()[0], perform(stopped=False)[0]]).stopped


def test_the_page_has_a_row_a_planted_difference_each_share_with_its_interval(perform):
    result = SelfTest(SETTINGS, [perform()[0]])
    first, *_, last = rows(result)
    assert (first["planted"], first["pairs"]) == ("nothing: twins", "5")
    assert first["called faster or slower"] == "0.0% (0.0% to 52.2%)"
    assert last["planted"] == "10%"
    page = markdown(result)
    assert "toy/float64, 1 thread, 6 starts of 5 turns, 1 runs, Fast 9000." in page
    assert page.count("\n| ") == 2 + 1 + len(PLANTED)


# Its files


def test_what_is_kept_is_what_was_measured_and_goes_on(perform, tmp_path):
    result = SelfTest(SETTINGS, [perform(seed=seed)[0] for seed in range(2)])
    save(result, tmp_path)
    again = resumed(SETTINGS, tmp_path, resume=True)
    assert again == result
    assert markdown(again) == (tmp_path / "selftest.md").read_text(encoding="utf-8")
    assert len((tmp_path / "selftest.json").read_text(encoding="utf-8").splitlines()) == 3
    made = []
    run_selftest(again, lambda: made.append(1) or result.trials[0], 5, 0, lambda result: None)
    assert (len(made), len(again.trials)) == (3, 5)


def test_a_new_self_test_does_not_replace_one_that_lies_there(perform, tmp_path):
    save(SelfTest(SETTINGS, [perform()[0]]), tmp_path)
    with pytest.raises(OutputError, match="expected --resume to go on, or another folder") as caught:
        resumed(SETTINGS, tmp_path, resume=False)
    sentence(caught.value)
    assert resumed(SETTINGS, tmp_path / "new", resume=False).trials == []


def test_a_self_test_goes_on_with_the_same_settings_only(perform, tmp_path):
    save(SelfTest(SETTINGS, [perform()[0]]), tmp_path)
    with pytest.raises(RecordError, match="has turns 5 and this one 6; expected the same settings") as caught:
        resumed(SETTINGS | {"turns": 6}, tmp_path, resume=True)
    sentence(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"settings": 3, "trials": []}',
        '{"settings": {}, "trials": [3]}',
        json.dumps({"settings": SETTINGS, "trials": [{"turns": {}, "apart": {}, "stopped": True}]}),
        json.dumps({"settings": SETTINGS, "trials": [{"turns": {"a": [[0]]}, "apart": {}, "stopped": True}]}),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "selftest.json").write_text(content, encoding="utf-8")
    with pytest.raises(RecordError, match="expected what `backprop selftest --out` writes") as caught:
        resumed(SETTINGS, tmp_path, resume=True)
    sentence(caught.value)


@pytest.mark.parametrize(
    ("runs", "seconds", "expected"), [(3, 0, 3), (1, 1e9, 1), (None, 0, 1), (None, 35, 3)]
)
def test_as_many_runs_as_were_asked_for_or_fit(perform, monkeypatch, runs, seconds, expected):
    clock, made = [0.0], perform()[0]

    def pretend():
        clock[0] += 10
        return made

    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    told, result = [], SelfTest(SETTINGS)
    run_selftest(result, pretend, runs, seconds, told.append)
    assert len(result.trials) == len(told) == expected


def test_the_planted_100_mb_are_found_as_well_as_the_tracker_can():
    assert planted_peaks("tracemalloc") == {
        "NumPy": pytest.approx(1, rel=0.02),
        "native code": pytest.approx(0, abs=0.02),
    }
    if importlib.util.find_spec("memray"):
        assert list(planted_peaks("memray").values()) == pytest.approx([1, 1], rel=0.02)


def test_a_small_self_test_runs_from_end_to_end_says_that_it_lives_and_goes_on(tmp_path, monkeypatch):
    """With one pair of twins and one slow-down: every other one is three more processes."""
    monkeypatch.setattr(module, "PAIRS", 1)
    monkeypatch.setattr(module, "PLANTED", PLANTED[-1:])
    kept = (BASE, TWIN, f"{PLANTED[-1]:.0%} slower", "twins 1a", "twins 1b")
    monkeypatch.setattr(module, "SHARES", {label: module.SHARES[label] for label in kept})
    small = ("selftest", "--scenario", "toy", "--starts", "3", "--turns", "2", "--runs")
    done = backprop(*small, "1", "--out", "kept", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "nothing: twins" in done.out
    assert "100 MB allocated" in done.out
    assert "after run 1: 0 of 1 twins called different" in done.err
    assert backprop(*small, "1", "--out", "kept", cwd=tmp_path).code == 2
    done = backprop(
        *small, "1", "--out", "kept", "--resume", "--json", cwd=tmp_path
    )  # there is nothing left to do
    values = json.loads(done.out)
    assert (values["runs"], values["lines"][0]["pairs"], values["starts"]) == (1, 1, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "0"], "The runs are 0; expected at least one"),
        (["--scenario", "tpy"], "did you mean 'toy'"),
        (["--suite", "quik"], "did you mean 'quick'"),
        (["--threads", "999"], "The thread count is 999"),
        (["--resume"], "--resume is given without --out"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, arguments, said):
    done = backprop("selftest", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence

"""The self-test counts what it was told, and a small one runs from end to end."""

import importlib.util

import numpy as np
import pytest
from command import backprop

from backprop import Network
from bench import selftest as module
from bench.isolated.process import WorkerError
from bench.isolated.turns import Outcome, Schedule, Site, Turns
from bench.scenarios import Scenario
from bench.selftest import (
    SAME,
    SHORT_FORM,
    SLOWER,
    TWIN,
    SelfTest,
    Trial,
    one_trial,
    planted_peaks,
    run_selftest,
)
from bench.statistics import Difference, Estimate
from bench.threads import available_cores

SCENARIO = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")
SITE = Site("sample", 1, available_cores()[-1:], 4e9, 60.0)


def difference(ratio, verdict):
    return Difference(Estimate(ratio, ratio * 0.99, ratio * 1.01), 0.001, verdict)


def trial(floor=1.02, same=(1.0, "same within noise"), slower=(1.1, "slower"), stopped=True):
    return Trial(floor, difference(*same), difference(*slower), stopped)


def test_alarms_findings_and_closeness_are_counted():
    result = SelfTest(
        "toy",
        [
            trial(),
            trial(floor=1.04, same=(1.06, "slower"), slower=(1.16, "slower")),
            trial(floor=1.03, same=(0.9, "faster"), slower=(1.07, "same within noise")),
        ],
    )
    assert (result.false_alarms, result.found, result.within_3_percent) == (2, 2, 2)
    assert result.smallest_difference == 1.03
    assert result.stopped
    assert not SelfTest("toy", [trial(), trial(stopped=False)]).stopped


@pytest.fixture
def perform(monkeypatch):
    """`one_trial` on made-up turns: factors by label, or a failure."""

    def run(factors, failure=None, stopped=True):
        def take_turns(scenario, participants, schedule, site, rng):
            assert {one.label: one.repeat_every for one in participants} == {
                SHORT_FORM: 0,
                TWIN: 0,
                SAME: 0,
                SLOWER: 10,
            }
            assert {one.target for one in participants} == {SHORT_FORM}
            outcomes = {
                one.label: Outcome(
                    (factors.get(one.label, 1) * np.exp(0.01 * rng.standard_normal((15, 8)))).tolist(),
                    [],
                    failure if one.label == SAME else None,
                )
                for one in participants
            }
            return Turns(outcomes, 0.0, 0, stopped)

        monkeypatch.setattr(module, "take_turns", take_turns)
        return one_trial(SCENARIO, SITE, np.random.default_rng(0))

    return run


def test_a_planted_10_percent_is_found_and_a_twin_is_not(perform):
    found = perform({SLOWER: 1.1}, stopped=False)
    assert found.same.verdict == "same within noise"
    assert found.slower.verdict == "slower"
    assert found.slower.ratio.value == pytest.approx(1.1, rel=0.01)
    assert not found.stopped


def test_a_twin_with_its_own_speed_would_be_an_alarm(perform):
    found = perform({SAME: 1.1})
    assert found.same.verdict == "slower"
    assert found.slower.verdict == "same within noise"


def test_a_noisy_pair_hides_what_was_planted(perform):
    assert perform({SLOWER: 1.1, TWIN: 1.3}).slower.verdict == "same within noise"


def test_a_worker_that_fails_ends_the_trial(perform):
    with pytest.raises(WorkerError, match="gone"):
        perform({}, failure=WorkerError("crashed", "gone"))


@pytest.mark.parametrize(
    ("runs", "seconds", "expected"), [(3, 0, 3), (1, 1e9, 1), (None, 0, 1), (None, 35, 3)]
)
def test_as_many_trials_as_were_asked_for_or_fit(monkeypatch, runs, seconds, expected):
    clock = [0.0]

    def pretend(*_):
        clock[0] += 10
        return trial()

    monkeypatch.setattr(module, "one_trial", pretend)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    told = []
    result = run_selftest(SCENARIO, SITE, np.random.default_rng(0), runs, seconds, told.append)
    assert len(result.trials) == len(told) == expected


def test_the_planted_100_mb_are_found_as_well_as_the_tracker_can():
    assert planted_peaks("tracemalloc") == {
        "NumPy": pytest.approx(1, rel=0.02),
        "native code": pytest.approx(0, abs=0.02),
    }
    if importlib.util.find_spec("memray"):
        assert list(planted_peaks("memray").values()) == pytest.approx([1, 1], rel=0.02)


def test_a_small_trial_runs_from_end_to_end():
    found = one_trial(SCENARIO, SITE, np.random.default_rng(0), Schedule(starts=3, turns=2, turn_s=0.002))
    assert found.noise_floor >= 1
    for one in (found.same, found.slower):
        assert one.ratio.low <= one.ratio.value <= one.ratio.high
        assert 0 <= one.p_value <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "0"], "The runs are 0; expected at least one"),
        (["--scenario", "tpy"], "did you mean 'toy'"),
        (["--threads", "999"], "The thread count is 999"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, arguments, said):
    done = backprop("selftest", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence

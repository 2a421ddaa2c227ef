"""Turns and rounds, by a clock that only calls move."""

import itertools

import pytest

from backprop.bench.clock import median_ratios, seconds_per_call


class Clock:
    """A clock that stands still until somebody spends time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, seconds):
        """A call that takes this long: a number, or one number a call."""
        durations = itertools.repeat(seconds) if isinstance(seconds, float) else iter(seconds)

        def call():
            call.calls += 1
            self.now += next(durations)

        call.calls = 0
        return call


@pytest.fixture
def clock(monkeypatch):
    stopped = Clock()
    monkeypatch.setattr("time.perf_counter", stopped)
    return stopped


@pytest.mark.parametrize(("share", "calls"), [(0.0, 40), (0.25, 32), (1.0, 20)])
def test_of_calls_that_are_slowed_down_fewer_fill_the_time(monkeypatch, share, calls):
    clock = Clock()
    tick, call = clock.taking(1e-4), clock.taking(0.25)
    monkeypatch.setattr("time.perf_counter", lambda: (tick(), clock())[1])
    assert seconds_per_call(call, 10.0, share) == pytest.approx(0.25 * (1 + share), abs=1e-3)
    assert call.calls == calls


def test_seconds_per_call_is_the_mean_of_as_many_calls_as_fill_the_time(clock):
    call = clock.taking(0.25)
    assert seconds_per_call(call, 1.0) == 0.25
    assert call.calls == 4


def test_seconds_per_call_calls_at_least_once(clock):
    call = clock.taking(3.0)
    assert seconds_per_call(call, 0) == 3
    assert call.calls == 1


def test_the_ratio_of_a_call_to_itself_is_one(clock):
    call = clock.taking(0.125)
    assert median_ratios(call, {"itself": call}, turns=5, turn_s=1.0) == {"itself": 1.0}


def test_ratios_are_of_the_call_to_each_other(clock):
    ratios = median_ratios(
        clock.taking(0.5), {"half": clock.taking(0.25), "double": clock.taking(1.0)}, turns=3, turn_s=1.0
    )
    assert ratios == {"half": 2.0, "double": 0.5}


def test_drift_of_the_machine_cancels_turn_by_turn(clock):
    speed = (1.0, 2.0, 4.0, 8.0, 16.0)
    own, other = clock.taking(3 * s for s in speed), clock.taking(s for s in speed)
    assert median_ratios(own, {"other": other}, turns=5, turn_s=0.0) == {"other": 3.0}


def test_one_disturbed_turn_does_not_change_the_median(clock):
    own, other = clock.taking([1.0, 1.0, 100.0, 1.0, 1.0]), clock.taking(0.5)
    assert median_ratios(own, {"other": other}, turns=5, turn_s=0.0) == {"other": 2.0}

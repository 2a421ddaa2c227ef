"""Starts and turns, with workers that only note what is asked of them."""

import itertools

import numpy as np
import pytest

from backprop import Network
from backprop.bench import turns as module
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM, ratio_of
from backprop.bench.turns import Participant, Schedule, Site, take_turns
from backprop.bench.workers import WorkerError, started_ahead

SCENARIO = Scenario.of(Network.mlp(4, 3, 2), 4, "float64")


class Stage:
    """All fake workers of a test: what happened in which order, and how each strategy behaves."""

    def __init__(self, call_s=None, fails=None, can_stop=True, by_start=None, seconds_a_start=0.1):
        self.events, self.workers = [], []
        self.by_start, self.seconds_a_start, self.clock = by_start or {}, seconds_a_start, 0.0
        self.call_s, self.fails, self.can_stop = call_s or {}, fails or {}, can_stop

    def make(self, threads, cores):
        worker = FakeWorker(self, len(self.workers))
        self.workers.append(worker)
        return worker

    def said(self, *kinds):
        return [(who, what) for who, what in self.events if what in kinds]


class FakeWorker:
    def __init__(self, stage, number):
        self.stage, self.number, self.target, self.asked = stage, number, None, {}
        self.can_stop = stage.can_stop
        self.awake = True
        self._note("start")

    def _note(self, what):
        self.stage.events.append((self.number, what))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._note("end")

    def ask(self, do, timeout_s, **message):
        assert self.awake, "a stopped worker was asked"
        self._note(do)
        self.asked.setdefault(do, []).append(message)
        self.target = message.get("strategy", self.target)
        fail = self.stage.fails.get((self.target, do))
        if fail and len(self.asked[do]) >= fail:
            raise WorkerError("crashed", f"{self.target} at {do}")
        call_s = self.stage.call_s.get(self.target, 1e-3)
        if do == "load":
            self.number_of_start = sum(one.target == self.target for one in self.stage.workers) - 1
            if self.number_of_start >= 0 and self.target == "own":
                self.stage.clock += self.stage.seconds_a_start
        if do == "turn":
            self.stage.clock += 1e-3
            call_s = self.stage.by_start.get(self.target, [call_s] * 1000)[self.number_of_start]
        return {"load": {}, "prepare": {"prepare_s": 0.5, "call_s": call_s}, "turn": {"call_s": call_s}}[do]

    def end(self):
        self._note("end")

    def stop(self):
        self.awake = False
        self._note("stop")

    def resume(self):
        self.awake = True
        self._note("resume")


@pytest.fixture
def perform(monkeypatch):
    def run(names, schedule=None, seed=0, reference=None, compared=True, **behaviour):
        stage = Stage(**behaviour)
        monkeypatch.setattr("backprop.bench.workers.WorkerProcess", stage.make)
        monkeypatch.setattr(module.time, "monotonic", lambda: stage.clock)
        advanced = []
        participants = [Participant(name, name, compared=compared) for name in names]
        schedule = schedule or Schedule(starts=5, turns=4)
        site = Site(SCENARIO, "sample", 1, [0], 1e9, 60.0, np.random.default_rng(seed))
        result = take_turns(participants, schedule, site, lambda: advanced.append(1), reference=reference)
        return stage, result, len(advanced)

    return run


def test_every_participant_takes_every_turn_of_every_start(perform):
    stage, result, advanced = perform("abc")
    assert advanced == 5 * 4
    assert len(stage.workers) == 5 * 3
    for outcome in result.outcomes.values():
        assert [len(start) for start in outcome.starts] == [4] * 5
        assert outcome.prepare_s == [0.5] * 5
        assert outcome.failure is None
    assert result.stopped


def test_workers_prepare_one_after_another_each_stopped_before_the_next_is_asked(perform):
    stage, _, _ = perform("abc", Schedule(starts=3, turns=2))
    for first in range(0, 9, 3):
        own = [
            event for event in stage.said("load", "prepare", "stop") if event[0] in range(first, first + 3)
        ]
        starting = own[: own.index((first + 2, "stop")) + 1]
        assert starting == [
            (k, what) for k in range(first, first + 3) for what in ("load", "prepare", "stop")
        ]
    starts_and_ends = stage.said("start", "end")
    for first in range(0, 9, 3):  # a start's workers are all gone before the next start's begin
        chunk = starts_and_ends[2 * first : 2 * first + 6]
        assert {who for who, _ in chunk} == set(range(first, first + 3))


def test_the_next_worker_and_no_other_imports_while_one_is_prepared(perform):
    stage, _, _ = perform("abcd", Schedule(starts=3, turns=2))
    for number, worker in enumerate(stage.workers):
        before = stage.events.index((number, "load"))
        begun = [who for who, what in stage.events[:before] if what == "start"]
        last_of_the_start = number % 4 == 3
        assert len(begun) == number + (1 if last_of_the_start else 2)
        assert worker.target is not None


def test_while_turns_are_taken_at_most_one_worker_is_awake(perform):
    stage, _, _ = perform("abcd")
    awake = set()
    for who, what in stage.events:
        if what in ("start", "resume"):
            awake.add(who)
        elif what in ("stop", "end"):
            awake.discard(who)
        assert len(awake) <= (1 if what == "turn" else 2)


def test_a_worker_that_nobody_took_is_ended(monkeypatch):
    stage = Stage()
    monkeypatch.setattr("backprop.bench.workers.WorkerProcess", stage.make)
    with started_ahead(3, 1, [0]) as workers:
        next(workers)
    assert stage.said("start", "end") == [(0, "start"), (1, "start"), (1, "end")]


def test_a_turn_is_resume_measure_stop(perform):
    stage, _, _ = perform("ab", Schedule(starts=3, turns=3))
    triples = stage.said("resume", "turn", "stop")
    for k in range(0, len(triples)):
        if triples[k][1] == "turn":
            who = triples[k][0]
            assert triples[k - 1] == (who, "resume")
            assert triples[k + 1] == (who, "stop")


def orders(stage, what, starts, each):
    """For every start, the targets in the order in which they did something."""
    named = [stage.workers[who].target for who, _ in stage.said(what)]
    return [tuple(named[k * each : (k + 1) * each]) for k in range(starts)]


def test_starts_and_turns_come_in_random_order(perform):
    stage, _, _ = perform("abcd", Schedule(starts=8, turns=6))
    assert len(set(orders(stage, "load", 8, 4))) > 3
    turns = orders(stage, "turn", 8 * 6, 4)
    assert all(sorted(turn) == list("abcd") for turn in turns)
    assert len(set(turns)) > 10


def test_the_order_follows_from_the_generator_handed_in(perform):
    first, same, other = (perform("abcd", seed=seed)[0].events for seed in (1, 1, 2))
    assert first == same
    assert [w.target for w in perform("abcd", seed=1)[0].workers] != [
        w.target for w in perform("abcd", seed=2)[0].workers
    ]
    assert len(first) == len(other)


def test_the_ballast_differs_from_start_to_start_in_steps_of_16_bytes(perform):
    stage, _, _ = perform("ab", Schedule(starts=10, turns=1))
    ballast = [worker.asked["load"][0]["ballast_bytes"] for worker in stage.workers]
    assert len(set(ballast)) == len(ballast)
    assert all(size % 16 == 0 and 0 <= size <= 2**20 for size in ballast)
    others = [{k: v for k, v in w.asked["load"][0].items() if k != "ballast_bytes"} for w in stage.workers]
    by_target = itertools.groupby(sorted(others, key=lambda o: o["strategy"]), lambda o: o["strategy"])
    assert all(len({str(one) for one in group}) == 1 for _, group in by_target)


def test_a_slow_strategy_takes_fewer_turns_and_starts_beside_the_others(perform):
    schedule = Schedule(starts=10, turns=8, slow_s=8.0)
    stage, result, _ = perform(["fast", "slow", "slower"], schedule, call_s={"slow": 0.5, "slower": 20.0})
    counts = {name: [len(start) for start in outcome.starts] for name, outcome in result.outcomes.items()}
    assert counts == {"fast": [8] * 10, "slow": [1] * 10, "slower": [1] * STARTS_TO_CLAIM}
    asked = [(w.target, m["wake_up"], m["seconds"]) for w in stage.workers for m in w.asked.get("turn", [])]
    assert set(asked) == {("fast", True, 0.003), ("slow", False, 0.003), ("slower", False, 0.003)}


@pytest.mark.parametrize(
    ("call_s", "starts", "turns"),
    [(20e-6, 10, 8), (0.025, 10, 8), (0.1, 10, 8), (0.2, 10, 4), (1.0, 8, 1), (20.0, 6, 1), (1e6, 6, 1)],
)
def test_the_schedule_from_20_microseconds_to_days(call_s, starts, turns):
    schedule = Schedule(starts=10, turns=8, slow_s=8.0)
    assert (schedule.starts_of(call_s), schedule.turns_of(call_s)) == (starts, turns)


@pytest.mark.parametrize("call_s", np.geomspace(1e-5, 100, 40))
def test_a_slow_strategy_stays_within_its_seconds_but_for_the_fewest_turns(call_s):
    schedule = Schedule()
    spent = schedule.starts_of(call_s) * schedule.turns_of(call_s) * max(call_s, schedule.turn_s)
    fewest = STARTS_TO_CLAIM * call_s
    assert spent <= max(schedule.slow_s + 2 * call_s * schedule.starts, fewest)


@pytest.mark.parametrize(("do", "when"), [("load", 1), ("prepare", 1), ("turn", 2)])
def test_a_participant_that_fails_is_left_out_from_then_on(perform, do, when):
    stage, result, advanced = perform("abc", fails={("b", do): when})
    assert advanced == 5 * 4
    assert str(result.outcomes["b"].failure) == f"b at {do}"
    assert sum(worker.target == "b" for worker in stage.workers) == 1
    for name in "ac":
        assert [len(start) for start in result.outcomes[name].starts] == [4] * 5
        assert result.outcomes[name].failure is None
    assert len(stage.said("end")) == len(stage.workers)


def test_workers_that_cannot_be_stopped_are_told(perform):
    _, result, _ = perform("ab", can_stop=False)
    assert not result.stopped


# Starts that are bought


def spread(share):
    """Times of a call by start: they differ by this share from one start to the next."""
    return [1e-3 * (1 + share * (-1) ** k) for k in range(1000)]


def starts_of(result):
    return {label: len(outcome.starts) for label, outcome in result.outcomes.items()}


def test_without_a_wish_there_are_as_many_starts_as_were_asked_for(perform):
    _, result, _ = perform(["base", "own"], reference="base", by_start={"own": spread(0.05)})
    assert starts_of(result) == {"base": 5, "own": 5}


@pytest.mark.parametrize("wish", [{"precision": 0.02}, {"claim": 0.1}])
def test_starts_are_bought_until_the_wish_is_met(perform, wish):
    schedule = Schedule(starts=6, turns=2, **wish)
    bought = {}
    for share in (0.001, 0.03, 0.06):
        _, result, _ = perform(["base", "own"], schedule, reference="base", by_start={"own": spread(share)})
        bought[share] = starts_of(result)["own"]
        ratio = ratio_of(result.outcomes["own"].starts, result.outcomes["base"].starts, together=True)
        assert ratio.reach() <= np.log1p(wish.get("precision", 1))
        assert ratio.detectable <= 1 + wish.get("claim", 100)
    assert bought[0.001] == 6 < bought[0.03] < bought[0.06]


@pytest.mark.parametrize(
    ("seconds_a_start", "starts"), [(1.0, 119), (9.9, 12), (11.9, 10), (14.9, 8), (19.9, 6), (90.0, 6)]
)
def test_no_more_starts_are_bought_than_the_time_allows(perform, seconds_a_start, starts):
    """60 s for each of the two."""
    schedule = Schedule(starts=6, turns=2, precision=1e-6)
    _, result, _ = perform(
        ["base", "own"],
        schedule,
        reference="base",
        by_start={"own": spread(0.05)},
        seconds_a_start=seconds_a_start,
    )
    assert starts_of(result)["own"] == starts


def test_what_is_not_compared_buys_nothing(perform):
    schedule = Schedule(starts=6, turns=2, precision=0.01)
    _, result, _ = perform(
        ["base", "own"], schedule, reference="base", by_start={"own": spread(0.05)}, compared=False
    )
    assert starts_of(result)["own"] == 6

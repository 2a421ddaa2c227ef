"""Starts and turns: a group of workers, each started afresh several times, takes turns in random order.

Within a start the workers are started one after another, each stopped before the next begins. Then, turn by
turn, each is let go, measured for about 25 ms, and stopped again. What is slow takes part in fewer turns and
fewer starts; every turn of it still stands beside the same turn of the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.isolated.process import START_UP_S, WorkerError, WorkerProcess
from bench.machine import StealMeter, ThrottleMeter
from bench.scenarios import Scenario

_BALLAST_STEP = 16  # bytes: what NumPy aligns to, and by what a longer command line would move the heap
_MOST_BALLAST_STEPS = 2**16
_SLOW_CALL_S = 0.1
FEWEST_STARTS = 3


@dataclass(frozen=True)
class Schedule:
    """How often and how long: fresh starts, turns in each, seconds of a turn.

    slow_s: the seconds that a strategy may spend in turns altogether once a call takes longer than a turn.
    """

    starts: int = 10
    turns: int = 8
    turn_s: float = 0.025
    slow_s: float = 8.0

    def turns_of(self, call_s: float) -> int:
        """The turns of a start in which a strategy with this time of a call takes part."""
        return min(self.turns, max(1, int(self._turns_in_all(call_s) / self.starts)))

    def starts_of(self, call_s: float) -> int:
        """The starts in which it takes part."""
        few = max(FEWEST_STARTS, int(self._turns_in_all(call_s)))
        return min(self.starts, few)

    def _turns_in_all(self, call_s: float) -> float:
        if call_s <= self.turn_s:
            return self.starts * self.turns
        return min(self.starts * self.turns, self.slow_s / call_s)


@dataclass(frozen=True)
class Participant:
    """What takes turns: its label, what it runs, and for a planted slow-down every how many calls."""

    label: str
    target: str
    repeat_every: int = 0


@dataclass(frozen=True)
class Site:
    """Where workers run: data, threads, cores, and the limits of each."""

    data: str
    threads: int
    cores: list[int]
    memory_limit_bytes: float
    timeout_s: float


@dataclass
class Outcome:
    """The samples of one participant by start, the times of its preparation, and how it failed if it did."""

    starts: list[list[float]] = field(default_factory=list)
    prepare_s: list[float] = field(default_factory=list)
    failure: WorkerError | None = None


@dataclass
class Turns:
    """What a group's turns gave: an outcome a participant, and how undisturbed they were."""

    outcomes: dict[str, Outcome]
    steal_share: float
    throttled: int
    """How often the processor slowed down because it was hot."""
    stopped: bool
    """Whether waiting workers were stopped; else they were only given time to fall asleep."""


def take_turns(
    scenario: Scenario,
    participants: Sequence[Participant],
    schedule: Schedule,
    site: Site,
    rng: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> Turns:
    """Let the participants take turns; a participant that fails is left out from then on.

    `advance` is called after every turn of the whole group, for a progress bar.
    """
    outcomes = {one.label: Outcome() for one in participants}
    meter, throttling, stopped = StealMeter(), ThrottleMeter(), True
    for number in range(schedule.starts):
        due = [one for one in participants if _takes_part(outcomes[one.label], number, schedule)]
        stopped &= _one_start(scenario, due, schedule, site, rng, outcomes, advance)
    return Turns(outcomes, meter.share(), throttling.events(), stopped)


def _takes_part(outcome: Outcome, number: int, schedule: Schedule) -> bool:
    if outcome.failure is not None:
        return False
    return not outcome.starts or number < schedule.starts_of(float(np.median(outcome.starts[0])))


def _one_start(
    scenario: Scenario,
    due: Sequence[Participant],
    schedule: Schedule,
    site: Site,
    rng: np.random.Generator,
    outcomes: dict[str, Outcome],
    advance: Callable[[], None],
) -> bool:
    """Start every worker that is due, let them take turns, and end them; whether they could be stopped."""
    stopped = True
    with contextlib.ExitStack() as stack:
        ready: dict[str, tuple[WorkerProcess, float]] = {}
        for k in rng.permutation(len(due)):
            one = due[k]
            worker = stack.enter_context(WorkerProcess(site.threads, site.cores))
            try:
                answer = load(worker, scenario, one, site, rng) | worker.ask("prepare", site.timeout_s)
            except WorkerError as failure:
                outcomes[one.label].failure = failure
                continue
            worker.stop()
            stopped &= worker.can_stop
            outcomes[one.label].prepare_s.append(answer["prepare_s"])
            outcomes[one.label].starts.append([])
            ready[one.label] = worker, answer["call_s"]
        for turn in range(schedule.turns):
            labels = [label for label, (_, call_s) in ready.items() if turn < schedule.turns_of(call_s)]
            for k in rng.permutation(len(labels)):
                label = labels[k]
                worker, call_s = ready[label]
                try:
                    outcomes[label].starts[-1].append(_one_turn(worker, call_s, schedule, site))
                except WorkerError as failure:
                    outcomes[label].failure = failure
                    del ready[label]
            advance()
    return stopped


def load(
    worker: WorkerProcess, scenario: Scenario, one: Participant, site: Site, rng: np.random.Generator
) -> dict[str, Any]:
    """Tell a fresh worker what it is; at every start its memory begins somewhere else."""
    return worker.ask(
        "load",
        START_UP_S,
        scenario=scenario.to_json(),
        strategy=one.target,
        data=site.data,
        threads=site.threads,
        ballast_bytes=_BALLAST_STEP * int(rng.integers(_MOST_BALLAST_STEPS)),
        memory_limit_bytes=site.memory_limit_bytes,
        repeat_every=one.repeat_every,
    )


def _one_turn(worker: WorkerProcess, call_s: float, schedule: Schedule, site: Site) -> float:
    worker.resume()
    answer = worker.ask("turn", site.timeout_s, seconds=schedule.turn_s, wake_up=call_s < _SLOW_CALL_S)
    worker.stop()
    return float(answer["call_s"])

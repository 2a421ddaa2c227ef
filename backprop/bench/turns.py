"""Starts and turns: a group of workers, each started afresh several times, takes turns in random order.

Within a start the workers are started one after another, each stopped before the next begins. Then, turn by
turn, each is let go, measured for 3 ms, and stopped again. What is slow takes part in fewer turns and fewer
starts; every turn of it still stands beside the same turn of the others.

Many short turns see more than few long ones. Where other programs share a processor, its speed changes on every
scale of time: neighbouring blocks of the short form (784-512-10, batch 32, float32) differed by 6 to 8%, whether a
block took 0.6 or 229 ms. So the difference shrinks with the number of turns, not with their length.

The sample of a turn is a mean. The fastest call of a turn is steadier, but a slow strategy makes fewer calls in a
turn than a fast one, and the fastest of few is not as fast: a planted 10% was then seen as 11.8%.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop.bench.machine import Disturbances
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM, Plan, plan, turn_ratios
from backprop.bench.workers import START_UP_S, WorkerError, WorkerProcess, started_ahead

_BALLAST_STEP = 16  # bytes: what NumPy aligns to, and by what a longer command line would move the heap
_MOST_BALLAST_STEPS = 2**16
_SLOW_CALL_S = 0.1
FEWEST_STARTS = 3


@dataclass(frozen=True)
class Schedule:
    """How often and how long is measured: the number of starts, the turns of each start, the seconds of a turn.

    slow_s: the seconds that a strategy may spend in turns altogether once a call takes longer than a turn; it takes
    part in one turn of `STARTS_TO_CLAIM` starts all the same.
    precision, claim: shares such as 0.02. After `starts` starts more are made, until the 95% interval of every ratio
    reaches at most `precision` to either side, and a difference of `claim` would be found.
    """

    starts: int = 10
    turns: int = 24
    turn_s: float = 0.003
    slow_s: float = 8.0
    precision: float | None = None
    claim: float | None = None

    @property
    def turn(self) -> str:
        """What a turn measures, in words."""
        return f"the mean of the calls within {1e3 * self.turn_s:g} ms"

    def turns_of(self, call_s: float) -> int:
        """The turns of a start in which a strategy with this time of a call takes part."""
        if call_s <= self.turn_s:
            return self.turns
        return min(self.turns, max(1, int(self.slow_s / call_s / self.starts)))

    def starts_of(self, call_s: float) -> int:
        """The starts in which it takes part."""
        if call_s <= self.turn_s:
            return self.starts
        return min(self.starts, max(STARTS_TO_CLAIM, int(self.slow_s / call_s)))


@dataclass(frozen=True)
class Participant:
    """One of those that take turns: its label, what it runs, and the share by which it is slowed down on purpose.

    compared: whether starts are added until its ratio to the reference is known well enough.
    """

    label: str
    target: str
    slower_by: float = 0.0
    compared: bool = True


@dataclass(frozen=True)
class Site:
    """What workers run, and where: the scenario and its data, threads, cores, and the limits of each.

    rng: of the order of the turns, and of where memory begins.
    """

    scenario: Scenario
    data: str
    threads: int
    cores: list[int]
    memory_limit_bytes: float
    timeout_s: float
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


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
    participants: Sequence[Participant],
    schedule: Schedule,
    site: Site,
    advance: Callable[[], None] = lambda: None,
    started: Callable[[], None] = lambda: None,
    reference: str | None = None,
) -> Turns:
    """Let the participants take turns; a participant that fails is left out from then on.

    `advance` is called after every turn of the whole group, and `started` after every worker that is ready, for a
    display. `reference` is the label of what the others are compared with where the schedule asks for a precision.
    """
    outcomes = {one.label: Outcome() for one in participants}
    disturbances, stopped = Disturbances(), True
    began, costs, number = time.monotonic(), [], 0
    while number < schedule.starts:
        due = [one for one in participants if _takes_part(outcomes[one.label], number, schedule)]
        could_stop, cost = _one_start(due, schedule, site, outcomes, advance, started)
        stopped &= could_stop
        costs.append(cost)
        number += 1
        if number == schedule.starts and reference is not None:
            left_s = site.timeout_s * len(participants) - (time.monotonic() - began)
            compared = [outcomes[one.label] for one in due if one.compared and one.label != reference]
            schedule = _with_more_starts(schedule, compared, outcomes[reference], costs, left_s)
    return Turns(outcomes, disturbances.steal_share(), disturbances.throttled(), stopped)


@dataclass(frozen=True)
class _Cost:
    """The seconds that one start of the whole group took before its turns, and each turn."""

    start_s: float
    turn_s: float


def _with_more_starts(
    schedule: Schedule, compared: Sequence[Outcome], reference: Outcome, costs: Sequence[_Cost], left_s: float
) -> Schedule:
    """The schedule with as many starts as its precision and claim need, and the time that is left allows.

    The number of starts doubles at most: the spread is known better after that.
    """
    if schedule.precision is None and schedule.claim is None:
        return schedule
    start_s, turn_s = (
        float(np.median([getattr(one, name) for one in costs])) for name in ("start_s", "turn_s")
    )
    affordable = int(max(left_s, 0) / (start_s + schedule.turns * turn_s))
    most = schedule.starts + min(schedule.starts, affordable)
    plans = [Plan(schedule.starts, schedule.turns)]
    for one in compared:
        ratios = [] if one.failure or reference.failure else turn_ratios(one.starts, reference.starts)
        if len(ratios) == schedule.starts:  # what takes part in fewer starts has had its time
            plans.append(plan(ratios, start_s, turn_s, schedule.precision, schedule.claim, most))
    needed = max(plans, key=lambda one: one.starts)
    return replace(schedule, starts=needed.starts, turns=needed.turns)


def _takes_part(outcome: Outcome, number: int, schedule: Schedule) -> bool:
    if outcome.failure is not None:
        return False
    return not outcome.starts or number < schedule.starts_of(float(np.median(outcome.starts[0])))


def _one_start(
    due: Sequence[Participant],
    schedule: Schedule,
    site: Site,
    outcomes: dict[str, Outcome],
    advance: Callable[[], None],
    started: Callable[[], None],
) -> tuple[bool, _Cost]:
    """Start every worker that is due, let them take turns, and end them; whether they could be stopped, the cost."""
    stopped, began = True, time.monotonic()
    with contextlib.ExitStack() as stack:
        ready: dict[str, tuple[WorkerProcess, float]] = {}
        workers = stack.enter_context(started_ahead(len(due), site.threads, site.cores))
        for k, process in zip(site.rng.permutation(len(due)), workers, strict=True):
            one, worker = due[k], stack.enter_context(process)
            try:
                answer = load(worker, one, site) | worker.ask("prepare", site.timeout_s)
            except WorkerError as failure:
                outcomes[one.label].failure = failure
                continue
            worker.stop()
            stopped &= worker.can_stop
            outcomes[one.label].prepare_s.append(answer["prepare_s"])
            outcomes[one.label].starts.append([])
            ready[one.label] = worker, answer["call_s"]
            started()
        prepared = time.monotonic()
        for turn in range(schedule.turns):
            labels = [label for label, (_, call_s) in ready.items() if turn < schedule.turns_of(call_s)]
            for k in site.rng.permutation(len(labels)):
                label = labels[k]
                worker, call_s = ready[label]
                try:
                    outcomes[label].starts[-1].append(_one_turn(worker, call_s, schedule, site))
                except WorkerError as failure:
                    outcomes[label].failure = failure
                    del ready[label]
            advance()
        turn_s = (time.monotonic() - prepared) / schedule.turns
    return stopped, _Cost(prepared - began, turn_s)


def load(worker: WorkerProcess, one: Participant, site: Site) -> dict[str, Any]:
    """Tell a fresh worker what it is; at every start its memory begins somewhere else."""
    return worker.ask(
        "load",
        START_UP_S,
        scenario=site.scenario.to_json(),
        strategy=one.target,
        data=site.data,
        threads=site.threads,
        ballast_bytes=_BALLAST_STEP * int(site.rng.integers(_MOST_BALLAST_STEPS)),
        memory_limit_bytes=site.memory_limit_bytes,
        slower_by=one.slower_by,
    )


def _one_turn(worker: WorkerProcess, call_s: float, schedule: Schedule, site: Site) -> float:
    worker.resume()
    answer = worker.ask("turn", site.timeout_s, seconds=schedule.turn_s, wake_up=call_s < _SLOW_CALL_S)
    worker.stop()
    return float(answer["call_s"])

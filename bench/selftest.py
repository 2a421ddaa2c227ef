"""The self-test: what this machine can tell apart. Short runs of planted strategies, whose truth is known.

Every run holds the short form, an A/A twin of it that gives the noise floor, a second twin that must not be
called different, and one that makes every tenth call twice: slower by exactly 10%, whatever it does.
Then 100 MB are allocated, by NumPy and outside of Python, for the memory tracker to find.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.cell import SHORT_FORM
from bench.isolated.process import WorkerError
from bench.isolated.turns import Participant, Schedule, Site, take_turns
from bench.memory import measure_peak
from bench.scenarios import Scenario
from bench.statistics import Difference, compare, noise_floor

TWIN, SAME, SLOWER = "A/A twin", "planted: the same", "planted: 10% slower"
TRUE_RATIO = 1.1
_REPEAT_EVERY = 10
PLANTED_BYTES = 100_000_000
SCHEDULE = Schedule(starts=15, turns=8)


@dataclass(frozen=True)
class Trial:
    """One run: the noise floor, and what was said of the planted twins."""

    noise_floor: float
    same: Difference
    slower: Difference
    stopped: bool = True


@dataclass(frozen=True)
class SelfTest:
    """All trials on one scenario, and whether waiting workers could be stopped."""

    scenario: str
    trials: list[Trial]

    @property
    def stopped(self) -> bool:
        """Whether waiting workers could be stopped in every trial."""
        return all(trial.stopped for trial in self.trials)

    @property
    def false_alarms(self) -> int:
        """How often the twin that is the same was called different."""
        return sum(trial.same.verdict != "same within noise" for trial in self.trials)

    @property
    def found(self) -> int:
        """How often the planted 10% was called slower."""
        return sum(trial.slower.verdict == "slower" for trial in self.trials)

    @property
    def within_3_percent(self) -> int:
        """How often the planted ratio was measured within 3% of 1.1."""
        return sum(abs(trial.slower.ratio.value / TRUE_RATIO - 1) <= 0.03 for trial in self.trials)

    @property
    def smallest_difference(self) -> float:
        """The factor that can be told apart here: the median noise floor."""
        return float(np.median([trial.noise_floor for trial in self.trials]))


def one_trial(
    scenario: Scenario, site: Site, rng: np.random.Generator, schedule: Schedule = SCHEDULE
) -> Trial:
    """One run of the planted strategies; raises `WorkerError` where a worker failed."""
    planted = [
        Participant(SHORT_FORM, SHORT_FORM),
        Participant(TWIN, SHORT_FORM),
        Participant(SAME, SHORT_FORM),
        Participant(SLOWER, SHORT_FORM, repeat_every=_REPEAT_EVERY),
    ]
    turns = take_turns(scenario, planted, schedule, site, rng)
    outcomes = turns.outcomes
    for outcome in outcomes.values():
        if outcome.failure is not None:
            raise outcome.failure
    short = outcomes[SHORT_FORM].starts
    floor = noise_floor(short, outcomes[TWIN].starts, rng)
    return Trial(
        floor,
        compare(outcomes[SAME].starts, short, floor, rng),
        compare(outcomes[SLOWER].starts, short, floor, rng),
        turns.stopped,
    )


def planted_peaks(tracker: str) -> dict[str, float]:
    """Measured ÷ true peak of `PLANTED_BYTES` by who allocates them: NumPy, and native code by an mmap.

    tracemalloc cannot see the second and finds about nothing.
    """
    import mmap

    def by_numpy() -> object:
        return np.ones(PLANTED_BYTES, np.uint8)

    def by_native_code() -> object:
        with mmap.mmap(-1, PLANTED_BYTES) as memory:
            memory[0] = 1
        return None

    calls = {"NumPy": by_numpy, "native code": by_native_code}
    return {name: measure_peak(call, tracker).peak_bytes / PLANTED_BYTES for name, call in calls.items()}


def run_selftest(
    scenario: Scenario,
    site: Site,
    rng: np.random.Generator,
    runs: int | None,
    seconds: float,
    told: Callable[[Trial], None],
) -> SelfTest:
    """As many trials as `runs`, or as fit into `seconds`, at least one; `told` hears of each."""
    trials: list[Trial] = []
    start = time.monotonic()
    while True:
        began = time.monotonic()
        trial = one_trial(scenario, site, rng)
        trials.append(trial)
        told(trial)
        now = time.monotonic()
        if len(trials) >= runs if runs is not None else now - start + (now - began) > seconds:
            return SelfTest(scenario.id, trials)


__all__: Sequence[str] = (
    "SCHEDULE",
    "SelfTest",
    "Trial",
    "WorkerError",
    "one_trial",
    "planted_peaks",
    "run_selftest",
)

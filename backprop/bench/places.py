"""Places: where the groups of a suite are measured, and what the run records of the place.

Here           this machine, group by group
Predicted      nowhere: costs and times are predicted
OnCluster      the hosts of a Dask cluster, a group at a time on each (`backprop.bench.cluster`)
"""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backprop import blas, find_strategy
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell
from backprop.bench.conditions import Conditions
from backprop.bench.forecast import Speeds
from backprop.bench.group import Group, calls_of
from backprop.bench.libraries import measured_libraries
from backprop.bench.machine import Limits, cpu_name, describe_machine, measure_limits
from backprop.bench.record import Record, Results
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import WAKE_UP_S
from backprop.bench.threads import choose_cores
from backprop.bench.turns import Schedule

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.progress import GroupDisplay
    from backprop.bench.suites import Suite
    from backprop.data import Dataset


@dataclass(frozen=True)
class Place(ABC):
    """Where the groups of a suite are measured. threads: those of a scenario that names none."""

    suite: Suite
    threads: int

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a resumed run must share with its beginning, besides the suite and the budgets."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """`machine`, `conditions` and `hosts` for the first line of the run's journal, those that apply."""

    @abstractmethod
    def notes(self) -> list[str]:
        """One sentence for everything that is not as it should be, for the user and for every table."""

    def expected_seconds(self, budget: Budget) -> dict[str, float]:
        """The seconds that each group is expected to take, by the id of its scenario; empty if not known."""
        return {}

    @abstractmethod
    def check(self) -> None:
        """Raise `BackpropError` where a scenario of the suite cannot be measured here."""

    @abstractmethod
    def measure(
        self, left: Sequence[Scenario], budget: Budget, display: GroupDisplay
    ) -> Iterator[tuple[Scenario, Results]]:
        """Measure these scenarios of the suite; yields each with all its rows as soon as it is measured.

        The display is told what runs, and of every turn.
        """

    def threads_of(self, scenario: Scenario) -> int:
        """The threads of the numerical libraries in a scenario."""
        return scenario.threads or self.threads


# Nowhere ----------------------------------------------------------------------------------------------

NOTE = "No strategy was called: times are predicted from the machine's limits and the time of the loss."
REASON = "it would fit; only a prediction was asked for (--predict)"


@dataclass(frozen=True)
class Predicted(Place):
    """No place: costs are predicted for this machine, of which only the limits are measured."""

    _limits: dict[tuple[str, int], Limits] = field(init=False, default_factory=dict, repr=False)

    def settings(self) -> dict[str, Any]:
        """A resumed prediction must be a prediction for the same processor."""
        return {"place": "predicted", "cpu": cpu_name()}

    def description(self) -> dict[str, Any]:
        """The machine; there are no conditions to be met."""
        return {"machine": describe_machine(self.threads, [])}

    def notes(self) -> list[str]:
        """The note that nothing was measured."""
        return [NOTE]

    def check(self) -> None:
        """Every network can be predicted."""

    def measure(
        self, left: Sequence[Scenario], budget: Budget, display: GroupDisplay
    ) -> Iterator[tuple[Scenario, Results]]:
        """The forecast of every cell."""
        for scenario in left:
            display.say(scenario, "predicted")
            yield scenario, Results(self.records(scenario, budget))

    def records(self, scenario: Scenario, budget: Budget) -> list[Record]:
        """The forecast of every cell of a scenario."""
        threads = self.threads_of(scenario)
        strategies = [find_strategy(target) for target in self.suite.strategies_of(scenario)]
        with blas.limited_to(threads):
            key = scenario.dtype_name, threads
            if key not in self._limits:
                self._limits[key] = measure_limits(scenario.dtype)
            network, n, dtype = scenario.network, scenario.batch_size, scenario.dtype
            speeds = Speeds.of(network, n, dtype, self._limits[key], budget.memory_bytes)
            calls = calls_of(scenario, self.suite.schedule)
            return predict(strategies, scenario, threads, speeds, budget, calls)


def predict(
    strategies: Sequence[Strategy[Any]],
    scenario: Scenario,
    threads: int,
    speeds: Speeds,
    budget: Budget,
    calls: int,
) -> list[Record]:
    """One record for each strategy: the cost of `calls` calls with the current threads, and whether they fit."""
    cells = [Cell(strategy, scenario, threads) for strategy in strategies]
    for cell in cells:
        if cell.fits(speeds, budget, calls):
            cell.ended = "predicted", REASON
    return [cell.record() for cell in cells]


# This machine -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Here(Place):
    """This machine. data: where workers find the data."""

    dataset: Dataset
    data: str
    conditions: Conditions

    def settings(self) -> dict[str, Any]:
        """A resumed run must be on the same processor."""
        return {"place": "one machine", "cpu": cpu_name()}

    def description(self) -> dict[str, Any]:
        """The machine and the conditions."""
        libraries = measured_libraries(map(find_strategy, self.suite.strategies))
        cores = choose_cores(self.threads) if self.conditions.pinned else []
        return {
            "machine": describe_machine(self.threads, cores, libraries),
            "conditions": dataclasses.asdict(self.conditions),
        }

    def notes(self) -> list[str]:
        """The notes of the conditions."""
        return self.conditions.notes()

    def expected_seconds(self, budget: Budget) -> dict[str, float]:
        """Predicted from the machine's limits, the time of the loss, and the time that a worker takes to start."""
        predicted, start_up_s = Predicted(self.suite, self.threads), self.conditions.start_up_s
        return {
            one.id: group_seconds(predicted.records(one, budget), one, self.suite.schedule, start_up_s)
            for one in self.suite.scenarios
        }

    def check(self) -> None:
        """Raise `ThreadError` or `DataError` where a scenario needs more cores, or other data."""
        for scenario in self.suite.scenarios:
            choose_cores(self.threads_of(scenario))
            scenario.check(self.dataset)

    def measure(
        self, left: Sequence[Scenario], budget: Budget, display: GroupDisplay
    ) -> Iterator[tuple[Scenario, Results]]:
        """Measure the groups one after another."""
        for scenario in left:
            threads = self.threads_of(scenario)
            group = Group(
                scenario=scenario,
                targets=self.suite.strategies_of(scenario),
                schedule=self.suite.schedule,
                budget=budget,
                data=self.data,
                threads=threads,
                cores=choose_cores(threads),
            )
            say = functools.partial(display.say, scenario)
            yield scenario, group.measure(self.dataset, say, display.advance)


# How long a run will take -----------------------------------------------------------------------------

_SLOWER_THAN_FORECAST = 1.7
_ESTIMATE_S = 14 * WAKE_UP_S  # for a fast call, before its first turn
_LIMITS_S = 0.6
_BASELINES = 3  # the A/A twin, the loss, the matrix products
_BETWEEN_TURNS_S = 0.001


def group_seconds(
    records: Sequence[Record], scenario: Scenario, schedule: Schedule, start_up_s: float
) -> float:
    """The seconds that the group of these predicted cells should take; cells that do not fit take none."""
    fitting = [one for one in records if one.status == "predicted"]
    if not fitting:
        return start_up_s + _LIMITS_S
    calls = [_SLOWER_THAN_FORECAST * (one.predicted_time_s or 0.0) for one in fitting]
    verified = sum(start_up_s + (4 + scenario.learning_steps) * call_s for call_s in calls)
    turns = sum(_turns_seconds(call_s, schedule, start_up_s) for call_s in [*calls, *[0.0] * _BASELINES])
    return start_up_s + _LIMITS_S + verified + turns


def _turns_seconds(call_s: float, schedule: Schedule, start_up_s: float) -> float:
    """The seconds that one participant takes in all its starts."""
    is_fast = call_s < WAKE_UP_S
    prepared = start_up_s + (_ESTIMATE_S if is_fast else 3 * call_s)
    turn = max(call_s, schedule.turn_s) + (WAKE_UP_S if is_fast else 0.0) + _BETWEEN_TURNS_S
    return schedule.starts_of(call_s) * (prepared + schedule.turns_of(call_s) * turn)

"""This machine as the place of a run: the groups of a suite, one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop import find_strategy
from backprop.bench.budget import Budget
from backprop.bench.duration import group_seconds
from backprop.bench.group import Group
from backprop.bench.libraries import measured_libraries
from backprop.bench.machine import cpu_name, describe_machine
from backprop.bench.places.conditions import Conditions
from backprop.bench.places.place import Found, Place, Say
from backprop.bench.places.predicted import Predicted
from backprop.bench.threads import choose_cores

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite
    from backprop.data import Dataset


@dataclass(frozen=True)
class Here(Place):
    """This machine. threads: those of a scenario that names none. data: where workers find the data."""

    threads: int
    dataset: Dataset
    data: str
    conditions: Conditions

    def settings(self) -> dict[str, Any]:
        """A run that goes on does so on the same processor."""
        return {"place": "one machine", "cpu": cpu_name()}

    def description(self, suite: Suite) -> dict[str, Any]:
        """The machine and the conditions."""
        libraries = measured_libraries(map(find_strategy, suite.strategies))
        cores = choose_cores(self.threads) if self.conditions.pinned else []
        return {
            "machine": describe_machine(self.threads, cores, libraries),
            "conditions": dataclasses.asdict(self.conditions),
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """The notes of the conditions."""
        return self.conditions.notes()

    def expected_seconds(self, suite: Suite, budget: Budget) -> dict[str, float]:
        """As predicted from the machine's limits, the time of the loss, and the time in which a worker starts."""
        predicted = Predicted(self.threads).measure(
            suite, suite.scenarios, budget, lambda *_: None, lambda: None
        )
        start_up_s = self.conditions.start_up_s
        return {
            scenario.id: group_seconds(records, scenario, suite.schedule, start_up_s)
            for scenario, records, _ in predicted
        }

    def check(self, suite: Suite) -> None:
        """Raise `ThreadError` or `DataError` where a scenario needs more cores, or other data."""
        for scenario in suite.scenarios:
            choose_cores(scenario.threads or self.threads)
            scenario.check(self.dataset)

    def measure(
        self,
        suite: Suite,
        scenarios: Sequence[Scenario],
        budget: Budget,
        say: Say,
        advance: Callable[[], None],
    ) -> Iterator[Found]:
        """Measure the groups one after another."""
        for scenario in scenarios:
            threads = scenario.threads or self.threads
            group = Group(
                scenario=scenario,
                targets=suite.strategies_of(scenario),
                schedule=suite.schedule,
                budget=budget,
                dataset=self.dataset,
                data=self.data,
                threads=threads,
                cores=choose_cores(threads),
                rng=np.random.default_rng(),
            )
            yield scenario, *group.measure(_saying(say, scenario), advance)


def _saying(say: Say, scenario: Scenario) -> Callable[[str], None]:
    return lambda what: say(scenario, what)

"""A run that is only predicted: every cell's cost and time against the budgets; no strategy is called.

The machine's limits are measured once a dtype, in a quarter of a second, and the loss of every scenario that fits, by
which a black box is predicted. Such a time is a lower bound: what would reach the machine's limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backprop import blas
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell
from backprop.bench.forecast import Speeds
from backprop.bench.group import calls_of
from backprop.bench.machine import Limits, cpu_name, describe_machine, measure_limits
from backprop.bench.places.place import Found, Place, Say
from backprop.bench.record import Record

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite

NOTE = "No strategy was called: times are predicted from the machine's limits and the time of the loss."
REASON = "it would fit; only a prediction was asked for (--predict)"


@dataclass(frozen=True)
class Predicted(Place):
    """A prediction for this machine, of which only the limits are measured."""

    threads: int
    _limits: dict[tuple[str, int], Limits] = field(init=False, default_factory=dict, repr=False)

    def settings(self) -> dict[str, Any]:
        """A prediction goes on as a prediction, on the same processor."""
        return {"place": "predicted", "cpu": cpu_name()}

    def description(self, suite: Suite) -> dict[str, Any]:
        """The machine; there are no conditions to be met."""
        return {"machine": describe_machine(self.threads, []), "notes": self.notes()}

    def notes(self) -> list[str]:
        """That nothing was measured."""
        return [NOTE]

    def check(self, suite: Suite) -> None:
        """Every network can be predicted."""

    def measure(
        self,
        suite: Suite,
        scenarios: Sequence[Scenario],
        budget: Budget,
        say: Say,
        advance: Callable[[], None],
    ) -> Iterator[Found]:
        """The forecast of every cell."""
        from backprop import find_strategy

        for scenario in scenarios:
            say(scenario, "predicted")
            threads = scenario.threads or self.threads
            strategies = [find_strategy(target) for target in suite.strategies_of(scenario)]
            with blas.limited_to(threads):
                key = scenario.dtype_name, threads
                if key not in self._limits:
                    self._limits[key] = measure_limits(scenario.dtype)
                network, n, dtype = scenario.network, scenario.batch_size, scenario.dtype
                speeds = Speeds.of(network, n, dtype, self._limits[key], budget.memory_bytes)
                calls = calls_of(scenario, suite.schedule)
                records = predict(strategies, scenario, threads, speeds, budget, calls)
            yield scenario, records, []


def predict(
    strategies: Sequence[Strategy[Any]],
    scenario: Scenario,
    threads: int,
    speeds: Speeds,
    budget: Budget,
    calls: int,
) -> list[Record]:
    """One record a strategy: what `calls` calls of it would cost with the threads in force, and whether they fit."""
    cells = [Cell(strategy, scenario, threads) for strategy in strategies]
    for cell in cells:
        try:
            if cell.predict(speeds, budget, calls):
                cell.ended = "predicted", REASON
        except (Exception, SystemExit) as error:
            cell.fail(error)
    return [cell.record() for cell in cells]

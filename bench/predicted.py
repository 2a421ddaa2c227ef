"""A run that is only predicted: every cell's cost and time against the budgets; no strategy is called.

The machine's limits are measured once a dtype, in a quarter of a second; the time of the loss, by which a black
box is predicted, follows from them. Such a time is a lower bound: what would reach the machine's limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backprop import blas
from bench.budget import Budget
from bench.forecast import blank_record, failed, forecast
from bench.isolated.group import calls_of
from bench.machine import Limits, cpu_name, describe_machine, measure_limits
from bench.place import Found, Place, Say
from bench.record import Record

if TYPE_CHECKING:
    from bench.scenarios import Scenario
    from bench.suites import Suite

NOTE = "Nothing was measured: times are predicted from the machine's limits, and are lower bounds."
REASON = "it would fit; only a prediction was asked for (--predict)"


@dataclass(frozen=True)
class PredictedSpeeds:
    """The machine's limits, and the time of one loss in a scenario as they allow it."""

    limits: Limits
    loss_s: float

    @classmethod
    def of(cls, scenario: Scenario, limits: Limits) -> PredictedSpeeds:
        """One forward pass, which reads every weight and input and writes and reads every activation."""
        network, n = scenario.network, scenario.batch_size
        numbers = network.parameter_count + n * network.inputs + 2 * sum(n * o for _, o in network.widths)
        loss_s = max(
            network.forward_flops(n) / limits.flops_per_s,
            scenario.dtype.itemsize * numbers / limits.bytes_per_s,
        )
        return cls(limits, loss_s)


@dataclass(frozen=True)
class Predicted(Place):
    """This machine, of which nothing is asked but its limits."""

    threads: int
    _limits: dict[tuple[str, int], Limits] = field(init=False, default_factory=dict, repr=False)

    def settings(self) -> dict[str, Any]:
        """A prediction goes on as a prediction, on the same processor."""
        return {"place": "predicted", "cpu": cpu_name()}

    def description(self) -> dict[str, Any]:
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
            speeds = PredictedSpeeds.of(scenario, self._limits_of(scenario, threads))
            records = []
            for target in suite.strategies_of(scenario):
                strategy = find_strategy(target)
                record = blank_record(strategy, scenario, threads)
                try:
                    fits = forecast(
                        record, strategy, scenario, speeds, budget, calls_of(scenario, suite.schedule)
                    )
                except (Exception, SystemExit) as error:
                    failed(record, error)
                else:
                    _mark(record, fits)
                records.append(record)
            yield scenario, records, []

    def _limits_of(self, scenario: Scenario, threads: int) -> Limits:
        """Measured at the first scenario of a dtype and a number of threads."""
        key = scenario.dtype_name, threads
        if key not in self._limits:
            with blas.limited_to(threads):
                self._limits[key] = measure_limits(scenario.dtype)
        return self._limits[key]


def _mark(record: Record, fits: bool) -> None:
    if fits:
        record.status, record.reason = "predicted", REASON

"""A place: where the groups of a suite are measured, and what of that is recorded with the run.

backprop/bench/places/here.py       this machine, group by group
backprop/bench/cluster/place.py     the hosts of a Dask cluster, a group at a time on each
backprop/bench/places/predicted.py  nowhere: costs and times are predicted
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from backprop.bench.budget import Budget
from backprop.bench.record import Agreement, Record

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite

Say = Callable[["Scenario", str], None]
"""Told what runs in which scenario."""
Found = tuple["Scenario", list[Record], list[Agreement]]
"""A whole group: a scenario, all its records, and the agreements of their gradients."""


class Place(ABC):
    """Where groups are measured."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with its beginning, besides its suite and budgets."""

    @abstractmethod
    def description(self, suite: Suite) -> dict[str, Any]:
        """`machine`, `conditions` and `notes`, as the run's first line holds them."""

    @abstractmethod
    def notes(self) -> list[str]:
        """One sentence for everything that is not as it should be, for the user and for every table."""

    def expected_seconds(self, suite: Suite, budget: Budget) -> dict[str, float]:
        """How long each group is expected to take, by the id of its scenario; empty where that is not known."""
        return {}

    @abstractmethod
    def check(self, suite: Suite) -> None:
        """Raise `BackpropError` where a scenario of the suite cannot be measured here."""

    @abstractmethod
    def measure(
        self,
        suite: Suite,
        scenarios: Sequence[Scenario],
        budget: Budget,
        say: Say,
        advance: Callable[[], None],
    ) -> Iterator[Found]:
        """Every one of these scenarios of the suite as a whole group, as soon as it is measured.

        `say` and `advance`, which is called after every turn, are for a display.
        """

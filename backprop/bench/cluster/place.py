"""A cluster as the place of a run: what is recorded of its hosts, and its groups as they come."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backprop import find_strategy
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell
from backprop.bench.cluster.connection import ClusterError, connected
from backprop.bench.cluster.coordinator import Coordinator, Crew, LostGroup
from backprop.bench.cluster.host import Needs, data_checksum
from backprop.bench.group import Group
from backprop.bench.places import Place
from backprop.bench.record import Record, Results, grouped
from backprop.bench.threads import choose_cores

if TYPE_CHECKING:
    from backprop.bench.progress import GroupDisplay
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite
    from backprop.data import Dataset

_FIRST_WORKER_S = 60.0


@dataclass(frozen=True)
class OnCluster(Place):
    """The hosts of a cluster. data: where its workers find the data."""

    dataset: Dataset
    data: str
    crew: Crew

    def settings(self) -> dict[str, Any]:
        """A run may go on with other hosts: every record holds its own, and no ratio crosses two."""
        return {"place": "a cluster"}

    def description(self) -> dict[str, Any]:
        """The first host as the machine, every host beside it, and what is not as it should be."""
        hosts = {name: self.crew.hosts[name] for name in sorted(self.crew.hosts)}
        first = next(iter(hosts.values()))
        return {
            "machine": first.machine,
            "conditions": first.conditions,
            "hosts": {name: host.machine for name, host in hosts.items()},
        }

    def notes(self) -> list[str]:
        """What is shared, what differs, and the conditions of each host."""
        notes = []
        if self.crew.slots > 1:
            notes.append(
                f"Up to {self.crew.slots} groups were measured side by side on one host, each on cores of its own; "
                "they share its memory and caches, so these figures are not to be published."
            )
        cpus = grouped(sorted(self.crew.hosts), lambda name: str(self.crew.hosts[name].machine.cpu))
        if len(cpus) > 1:
            listed = "; ".join(f"{cpu} in {', '.join(names)}" for cpu, names in cpus.items())
            notes.append(
                f"The hosts differ in their processor, and are not compared with each other: {listed}."
            )
        for name, host in sorted(self.crew.hosts.items()):
            notes += [f"{name}: {note}" for note in host.notes]
        return notes

    def check(self) -> None:
        """Raise `DataError` where the data do not fit a scenario; that hosts have cores has been checked."""
        for scenario in self.suite.scenarios:
            scenario.check(self.dataset)

    def measure(
        self, left: Sequence[Scenario], budget: Budget, display: GroupDisplay
    ) -> Iterator[tuple[Scenario, Results]]:
        """Every group as it comes; one that was lost too often as crashed cells."""

        def group_of(scenario: Scenario) -> Group:
            return Group(
                scenario=scenario,
                targets=tuple(map(_anywhere, self.suite.strategies_of(scenario))),
                schedule=self.suite.schedule,
                budget=budget,
                data=self.data,
                threads=self.threads_of(scenario),
            )

        for scenario, outcome in Coordinator(self.crew, group_of, display.say).run(left):
            if isinstance(outcome, LostGroup):
                outcome = Results(self._crashed(scenario, outcome))
            yield scenario, outcome

    def _crashed(self, scenario: Scenario, loss: LostGroup) -> list[Record]:
        """A row for every strategy of a lost group: its predicted cost, and the reason."""
        cells = [
            Cell(find_strategy(target), scenario, self.threads_of(scenario))
            for target in self.suite.strategies_of(scenario)
        ]
        for cell in cells:
            with contextlib.suppress(Exception):  # a strategy that cannot do this network, or predict itself
                if cell.strategy.unsupported(scenario.network, scenario.dtype) is None:
                    cell.predict_cost()
            cell.ended = "crashed", loss.reason
        return [msgspec.structs.replace(cell.record(), host=loss.host, cpu=loss.cpu) for cell in cells]


@contextlib.contextmanager
def open_cluster(
    suite: Suite,
    threads: int,
    dataset: Dataset,
    data: str,
    *,
    workers: int | None,
    address: str | None,
) -> Iterator[OnCluster]:
    """A local cluster of `workers` processes, or the one of the scheduler at `address`, checked.

    Raises `ClusterError` where there is none, no worker comes, or one cannot be used; `ThreadError` where
    this machine has too few cores for the workers.
    """
    most_threads = max([threads, *(scenario.threads or 0 for scenario in suite.scenarios)])
    if workers is not None:
        if workers < 1:
            raise ClusterError(f"The workers are {workers}; expected at least one.")
        choose_cores(workers * most_threads)
    found = str(Path(data).resolve()) if Path(data).is_dir() else data
    strategies = tuple(map(_anywhere, suite.strategies))
    needs = Needs(most_threads, suite.schedule.turn_s, found, data_checksum(dataset), strategies)
    with connected(workers, address) as client:
        crew = Crew(client, needs, slots=workers or 1, own=address is None)
        deadline = time.monotonic() + _FIRST_WORKER_S
        while len(crew.members) < (workers or 1):
            crew.enlist(strict=True)
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"The cluster has {len(crew.members)} workers after {_FIRST_WORKER_S:.0f} s; "
                    f"expected at least {workers or 1}."
                )
            time.sleep(0.1)
        yield OnCluster(suite, threads, dataset, found, crew)


def _anywhere(target: str) -> str:
    """`file.py:Class` with the whole path: a worker runs in another folder."""
    path, colon, name = target.rpartition(":")
    return f"{Path(path).resolve()}{colon}{name}" if colon else target

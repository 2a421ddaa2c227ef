"""One group: all strategies of one scenario on one machine, measured together.

limits     in a worker: what the machine can do, and the time of the loss
forecast   predicted cost against the budgets; what does not fit is not run
verify     each strategy in a worker of its own, untimed: memory, gradient, learning
turns      the strategies, an A/A twin of the short form, and the baselines
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backprop.bench.baselines import LOSS, PRODUCTS, TWIN, find_target
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell, Times, agreements_of
from backprop.bench.estimates import figures, unstable
from backprop.bench.forecast import Speeds
from backprop.bench.record import SHORT_FORM, Results
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM
from backprop.bench.steps import Workbench
from backprop.bench.turns import Participant, Schedule, Site, load, take_turns
from backprop.bench.workers import START_UP_S, WorkerError, WorkerProcess, started_ahead

if TYPE_CHECKING:
    from backprop.data import Dataset

_ADDRESS_SPACE_BYTES = 4 * 2**30  # what libraries map without using it, beyond the budget


@dataclass
class Group:
    """A scenario and the names of its strategies, with all that measuring them needs.

    data: where workers find the data. cores: those of the host that measures the group.
    """

    scenario: Scenario
    targets: Sequence[str]
    schedule: Schedule
    budget: Budget
    data: str
    threads: int
    cores: list[int] = field(default_factory=list)

    def measure(self, dataset: Dataset, say: Callable[[str], None], advance: Callable[[], None]) -> Results:
        """All rows of the group. `say` is told what runs, `advance` is called after every turn."""
        bench = Workbench(self.scenario, dataset, self.threads)
        cells = {target: Cell(find_target(target), self.scenario, self.threads) for target in self.targets}
        say("limits of the machine")
        try:
            bench.speeds = self._speeds()
        except WorkerError as failure:
            for cell in cells.values():
                cell.fail(failure)
            return Results([cell.record() for cell in cells.values()])
        calls = calls_of(self.scenario, self.schedule)
        fitting = {
            target: cell for target, cell in cells.items() if cell.fits(bench.speeds, self.budget, calls)
        }
        with started_ahead(len(fitting), self.threads, self.cores) as workers:
            for (target, cell), worker in zip(fitting.items(), workers, strict=True):
                say(f"verifying {cell.strategy.name}")
                try:
                    with worker:
                        self._verify(target, cell, bench, worker)
                except (Exception, SystemExit) as error:
                    cell.fail(error)
        agreements = agreements_of(cells.values())
        fit = {target: cell for target, cell in cells.items() if cell.right_or_wrong}
        for number, batch in enumerate(self._fitting_together(fit)):
            say(f"{len(batch)} strategies taking turns")
            self._time({target: fit[target] for target in batch}, number, advance)
        records = [cell.record() for cell in cells.values()]
        figures([record for record in records if record.samples_s])
        return Results(records, agreements)

    @cached_property
    def _site(self) -> Site:
        return Site(
            scenario=self.scenario,
            data=self.data,
            threads=self.threads,
            cores=self.cores,
            memory_limit_bytes=self.budget.memory_bytes + _ADDRESS_SPACE_BYTES,
            timeout_s=self.budget.time_s,
        )

    def _speeds(self) -> Speeds:
        """The machine's speeds, measured in a worker; raises `WorkerError` where it is killed or does not answer."""
        with WorkerProcess(self.threads, self.cores) as worker:
            load(worker, Participant("speeds", LOSS), self._site)
            answer = worker.ask("speeds", START_UP_S, memory_bytes=self.budget.memory_bytes)
        return msgspec.convert(answer, Speeds)

    def _verify(self, target: str, cell: Cell, bench: Workbench, worker: WorkerProcess) -> None:
        """In a worker of its own; raises `WorkerError`."""
        load(worker, Participant(target, target), self._site)
        cell.verify(worker, bench, self.budget.time_s)
        cell.verified |= worker.ask("learn", self.budget.time_s)

    def _fitting_together(self, cells: dict[str, Cell]) -> list[list[str]]:
        """The strategies in batches whose predicted memory fits the budget together: all live at once."""
        batches: list[list[str]] = []
        free = 0.0
        for target, cell in cells.items():
            needed = cell.cost.peak_bytes if cell.cost else 0
            if needed > free or not batches:
                batches.append([])
                free = self.budget.memory_bytes
            batches[-1].append(target)
            free -= needed
        return batches

    def _time(self, cells: dict[str, Cell], number: int, advance: Callable[[], None]) -> None:
        beside = {} if SHORT_FORM in cells else {SHORT_FORM: SHORT_FORM}
        beside |= {TWIN: SHORT_FORM, LOSS: LOSS, PRODUCTS: PRODUCTS}
        participants = [
            Participant(label, target, compared=target not in (LOSS, PRODUCTS))
            for label, target in ({target: target for target in cells} | beside).items()
        ]
        schedule = self.schedule
        if schedule.precision or schedule.claim:
            # Slow strategies get their whole budget to reach what was asked for.
            schedule = replace(schedule, slow_s=self.budget.time_s)
        turns = take_turns(participants, schedule, self._site, advance, reference=SHORT_FORM)
        timed = []
        for target, cell in cells.items():
            outcome = turns.outcomes[target]
            if outcome.failure is not None:
                cell.fail(outcome.failure)
                continue
            reasons = [unstable(outcome.starts, turns.steal_share, turns.throttled)]
            if not turns.stopped:
                reasons.append("waiting workers could not be stopped")
            prepare_s = float(np.median(outcome.prepare_s))
            cell.times = Times(outcome.starts, prepare_s, "; ".join(filter(None, reasons)), number)
            timed.append(cell.times)
        if timed:
            outcomes = {label: turns.outcomes[label] for label in beside}
            timed[0].baselines_s = {label: one.starts for label, one in outcomes.items() if not one.failure}


def calls_of(scenario: Scenario, schedule: Schedule) -> int:
    """How often a cell's strategy is called at least: to verify it, to learn, and in the fewest turns."""
    return 2 + scenario.learning_steps + 2 * min(schedule.starts, STARTS_TO_CLAIM)

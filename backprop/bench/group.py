"""One group: all strategies of one scenario on one machine, measured together.

limits     in a worker: what the machine can do, and the time of the loss
forecast   predicted cost against the budgets; what does not fit is not run
verify     each strategy in a worker of its own, untimed: memory, gradient, learning
turns      the strategies, an A/A twin of the short form, and the baselines
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backprop import Parameters
from backprop.bench.baselines import LOSS, PRODUCTS, SHORT_FORM, TWIN, find_target
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell, Workbench
from backprop.bench.estimates import figures
from backprop.bench.forecast import Speeds
from backprop.bench.machine import Limits
from backprop.bench.record import Agreement, Record, Status
from backprop.bench.results import agreement_of
from backprop.bench.scenarios import Scenario
from backprop.bench.statistics import STARTS_TO_CLAIM, unstable
from backprop.bench.turns import Outcome, Participant, Schedule, Site, Turns, load, take_turns
from backprop.bench.workers import START_UP_S, WorkerError, WorkerProcess
from backprop.verify import pairs

if TYPE_CHECKING:
    from backprop.data import Dataset

_ADDRESS_SPACE_BYTES = 4 * 2**30  # what libraries map without using it, beyond the budget

Say = Callable[[str], None]


@dataclass
class Group:
    """A scenario and the names of its strategies, with all that measuring them needs."""

    scenario: Scenario
    targets: Sequence[str]
    schedule: Schedule
    budget: Budget
    dataset: Dataset
    data: str
    threads: int
    cores: list[int]
    rng: np.random.Generator

    def measure(self, say: Say, advance: Callable[[], None]) -> tuple[list[Record], list[Agreement]]:
        """All rows of the group. `say` is told what runs, `advance` is called after every turn."""
        bench = Workbench(self.scenario, self.dataset, self.threads)
        cells = {target: Cell(find_target(target), bench, self.budget) for target in self.targets}
        say("limits of the machine")
        try:
            bench.speeds = self._speeds()
        except WorkerError as failure:
            for cell in cells.values():
                _fail(cell.record, failure)
            return [cell.record for cell in cells.values()], []
        gradients = self._verify(cells, say)
        fit = {target: cell for target, cell in cells.items() if cell.record.measured and cell.gradient}
        for number, batch in enumerate(self._fitting_together(fit)):
            say(f"{len(batch)} strategies taking turns")
            self._time({target: fit[target] for target in batch}, number, advance)
        figures([cell.record for cell in fit.values()])
        tolerances = {name: cell.record.tolerance or 0.0 for name, cell in _by_name(fit).items()}
        return [cell.record for cell in cells.values()], [
            agreement_of(self.scenario, pair) for pair in pairs(gradients, tolerances)
        ]

    @property
    def _site(self) -> Site:
        return Site(
            data=self.data,
            threads=self.threads,
            cores=self.cores,
            memory_limit_bytes=self.budget.memory_bytes + _ADDRESS_SPACE_BYTES,
            timeout_s=self.budget.time_s,
        )

    def _speeds(self) -> Speeds:
        """Measured in a worker; raises `WorkerError` where that is killed or does not answer."""
        with WorkerProcess(self.threads, self.cores) as worker:
            load(worker, self.scenario, Participant("speeds", LOSS), self._site, self.rng)
            answer = worker.ask("speeds", START_UP_S, memory_bytes=self.budget.memory_bytes)
        return Speeds(Limits(answer["flops_per_s"], answer["bytes_per_s"]), answer["loss_s"])

    def _verify(self, cells: dict[str, Cell], say: Say) -> dict[str, Parameters]:
        """Forecast every cell, and verify those that fit; the gradients by strategy name."""
        gradients = {}
        calls = calls_of(self.scenario, self.schedule)
        for target, cell in cells.items():
            try:
                if not cell.forecast(calls):
                    continue
                say(f"verifying {cell.record.strategy}")
                self._verify_in_worker(target, cell)
                cell.judge()
            except WorkerError as failure:
                _fail(cell.record, failure)
            except (Exception, SystemExit) as error:
                cell.failed(error)
            if cell.record.measured and cell.gradient is not None:
                gradients[cell.record.strategy] = cell.gradient
        return gradients

    def _verify_in_worker(self, target: str, cell: Cell) -> None:
        layout = self.scenario.network.layout
        with tempfile.TemporaryDirectory() as folder, WorkerProcess(self.threads, self.cores) as worker:
            path = Path(folder) / "gradient.npy"
            load(worker, self.scenario, Participant(target, target), self._site, self.rng)
            answer = worker.ask("verify", self.budget.time_s, gradient_path=str(path))
            cell.gradient = Parameters(layout, np.load(path, allow_pickle=False))
        for name, value in answer.items():
            setattr(cell.record, name, value)

    def _fitting_together(self, cells: dict[str, Cell]) -> list[list[str]]:
        """The strategies in batches whose predicted memory fits the budget together: all live at once."""
        batches: list[list[str]] = []
        free = 0.0
        for target, cell in cells.items():
            needed = cell.record.predicted_peak_bytes or 0
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
            schedule = replace(
                schedule, slow_s=self.budget.time_s
            )  # slow ones have their budget to get there
        turns = take_turns(
            self.scenario, participants, schedule, self._site, self.rng, advance, reference=SHORT_FORM
        )
        timed = []
        for target, cell in cells.items():
            outcome = turns.outcomes[target]
            if outcome.failure is not None:
                _fail(cell.record, outcome.failure)
            else:
                _fill_in(cell.record, outcome, turns)
                cell.record.turns_group = number
                timed.append(cell.record)
        if timed:
            outcomes = {label: turns.outcomes[label] for label in beside}
            timed[0].baselines_s = {label: one.starts for label, one in outcomes.items() if not one.failure}


def _fill_in(record: Record, outcome: Outcome, turns: Turns) -> None:
    """The record's samples, and what speaks against them."""
    everything = np.concatenate(outcome.starts)
    low, high = np.percentile(everything, [25, 75])
    record.samples_s = outcome.starts
    record.rounds, record.starts = len(everything), len(outcome.starts)
    record.time_iqr_s, record.time_min_s = float(high - low), float(everything.min())
    record.prepare_s = float(np.median(outcome.prepare_s))
    reasons = [unstable(outcome.starts, turns.steal_share, turns.throttled)]
    if not turns.stopped:
        reasons.append("waiting workers could not be stopped")
    record.unstable = "; ".join(filter(None, reasons))


def calls_of(scenario: Scenario, schedule: Schedule) -> int:
    """How often a cell's strategy is called at least: to verify it, to learn, and in the fewest turns."""
    return 2 + scenario.learning_steps + 2 * min(schedule.starts, STARTS_TO_CLAIM)


def _by_name(cells: dict[str, Cell]) -> dict[str, Cell]:
    return {cell.record.strategy: cell for cell in cells.values()}


def _fail(record: Record, failure: WorkerError) -> None:
    """The failure as the record's status; a gradient that was found wrong stays wrong, whatever came later."""
    if record.agrees is False:
        record.reason += f"; then {failure.reason}"
        return
    status: Status = failure.status  # type: ignore[assignment]  # process.py uses no other words
    record.status, record.reason = status, failure.reason

"""One group: all strategies of one scenario on one machine, measured together.

limits     in a worker: what the machine can do, and the time of the loss
forecast   predicted cost against the budgets; what does not fit is not run
verify     each strategy in a worker of its own, untimed: memory, gradient, learning
turns      the strategies, an A/A twin of the short form, and the baselines
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backprop import Parameters
from backprop.verify import pairs
from bench.budget import Budget
from bench.cell import SHORT_FORM, Cell, Workbench
from bench.forecast import Speeds
from bench.isolated.process import START_UP_S, WorkerError, WorkerProcess
from bench.isolated.targets import LOSS, PRODUCTS, find_target
from bench.isolated.turns import FEWEST_STARTS, Participant, Schedule, Site, Turns, load, take_turns
from bench.machine import Limits
from bench.record import Agreement, Record, Status
from bench.results import agreement_of
from bench.scenarios import Scenario
from bench.statistics import Starts, compare, estimate_median, estimate_ratio, noise_floor, unstable

if TYPE_CHECKING:
    from backprop.data import Dataset

TWIN = "A/A twin of the short form"
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
        for batch in self._fitting_together(fit):
            say(f"{len(batch)} strategies taking turns")
            self._time({target: fit[target] for target in batch}, advance)
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
        calls = calls_of(self.scenario)
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

    def _time(self, cells: dict[str, Cell], advance: Callable[[], None]) -> None:
        participants = [Participant(target, target) for target in cells]
        if SHORT_FORM not in cells:
            participants.append(Participant(SHORT_FORM, SHORT_FORM))
        participants += [
            Participant(TWIN, SHORT_FORM),
            Participant(LOSS, LOSS),
            Participant(PRODUCTS, PRODUCTS),
        ]
        turns = take_turns(self.scenario, participants, self.schedule, self._site, self.rng, advance)
        for target, cell in cells.items():
            outcome = turns.outcomes[target]
            if outcome.failure is not None:
                _fail(cell.record, outcome.failure)
            else:
                self._fill_in(cell, target, turns)

    def _fill_in(self, cell: Cell, target: str, turns: Turns) -> None:
        """The record's times, ratios and shares from the turns."""
        record, starts = cell.record, turns.outcomes[target].starts
        everything = np.concatenate(starts)
        low, high = np.percentile(everything, [25, 75])
        time = estimate_median(starts, self.rng)
        record.samples_s = [list(turn) for turn in starts]
        record.rounds, record.starts = len(everything), len(starts)
        record.time_median_s, record.time_low_s, record.time_high_s = time.value, time.low, time.high
        record.time_iqr_s, record.time_min_s = float(high - low), float(everything.min())
        record.prepare_s = float(np.median(turns.outcomes[target].prepare_s))
        record.unstable = unstable(starts, turns.steal_share, turns.throttled)
        if not turns.stopped:
            record.unstable = "; ".join(
                filter(None, [record.unstable, "waiting workers could not be stopped"])
            )
        limits = cell.bench.speeds.limits
        record.flops_share = (record.predicted_flops or 0) / time.value / limits.flops_per_s
        record.bandwidth_share = (record.predicted_bytes_moved or 0) / time.value / limits.bytes_per_s
        record.ratio_to_loss = self._ratio(starts, turns, LOSS)
        record.ratio_to_products = self._ratio(starts, turns, PRODUCTS)
        self._compare_with_short_form(record, starts, turns, is_itself=target == SHORT_FORM)

    def _ratio(self, starts: Starts, turns: Turns, baseline: str) -> float | None:
        other = turns.outcomes[baseline]
        return None if other.failure else estimate_ratio(starts, other.starts, self.rng).value

    def _compare_with_short_form(self, record: Record, starts: Starts, turns: Turns, is_itself: bool) -> None:
        short, twin = turns.outcomes[SHORT_FORM], turns.outcomes[TWIN]
        if short.failure or twin.failure:
            return
        record.noise_floor = noise_floor(short.starts, twin.starts, self.rng)
        if is_itself:
            record.ratio_to_short_form = record.ratio_low = record.ratio_high = 1.0
            return
        difference = compare(starts, short.starts, record.noise_floor, self.rng)
        ratio = difference.ratio
        record.ratio_to_short_form, record.ratio_low, record.ratio_high = ratio.value, ratio.low, ratio.high
        record.p_value, record.verdict = difference.p_value, difference.verdict


def calls_of(scenario: Scenario) -> int:
    """How often a cell's strategy is called at least: to verify it, to learn, and in the fewest turns."""
    return 2 + scenario.learning_steps + 2 * FEWEST_STARTS


def _by_name(cells: dict[str, Cell]) -> dict[str, Cell]:
    return {cell.record.strategy: cell for cell in cells.values()}


def _fail(record: Record, failure: WorkerError) -> None:
    """The failure as the record's status; a gradient that was found wrong stays wrong, whatever came later."""
    if record.agrees is False:
        record.reason += f"; then {failure.reason}"
        return
    status: Status = failure.status  # type: ignore[assignment]  # process.py uses no other words
    record.status, record.reason = status, failure.reason

"""The quick look: cells measured or verified in this process, scenario by scenario, into a journal.

`pytest --benchmark-only` times each cell's rounds, and `backprop verify` leaves them out. The steps of a cell are
those of a worker process (`backprop.bench.steps`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop import Strategy
from backprop.bench.baselines import LOSS, PRODUCTS, find_target
from backprop.bench.budget import Budget
from backprop.bench.cell import Cell, Times, agreements_of
from backprop.bench.clock import Call, median_ratios, seconds_per_call
from backprop.bench.journal import Journal, locked
from backprop.bench.libraries import measured_libraries, write_constraints
from backprop.bench.machine import describe_machine
from backprop.bench.record import SHORT_FORM, Description, Record, Results
from backprop.bench.scenarios import Scenario
from backprop.bench.steps import Workbench
from backprop.bench.threads import check_threads
from backprop.bench.workers import WorkerHere

if TYPE_CHECKING:
    from backprop.data import Dataset

Sampler = Callable[[Call], Sequence[float]]
"""Lets a call be made, and gives the seconds of every round."""

FEWEST_ROUNDS = 3
_FEWEST_CALLS = 2 + FEWEST_ROUNDS
"""Calls that a cell makes beside its learning steps: one to verify, one to warm up, and the rounds."""
_SLOW_S = 0.1
"""What takes this long is not compared to the per cent: its rounds are enough."""


@dataclass
class QuickLook:
    """Measures cells and journals them. Cells of one scenario come one after another.

    Use it as a context manager: leaving it, also by an interrupt, completes the journal and closes it.
    """

    folder: Path
    budget: Budget
    threads: int
    cores: list[int]
    dataset: Dataset
    command: str
    strategies: Sequence[Strategy[Any]] = ()
    results: Results = field(init=False, default_factory=Results)
    _bench: Workbench | None = field(init=False, default=None)
    _cells: list[Cell] = field(init=False, default_factory=list)

    def __enter__(self) -> QuickLook:
        check_threads(self.threads)
        machine = describe_machine(self.threads, self.cores, measured_libraries(self.strategies))
        description = Description.now(self.command, self.dataset.name, self.budget, machine=machine)
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self.folder))
            self._journal = stack.enter_context(Journal(self.folder, description))
            write_constraints(self.folder, description)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._open:
            self._close_scenario()

    def measure(self, strategy: Strategy[Any], scenario: Scenario, sample: Sampler | None = None) -> Record:
        """Measure one cell, journal it and return its record; a strategy's failure becomes a row, too.

        Without a sampler the gradient is verified, but not timed.
        """
        calls = 1 if sample is None else _FEWEST_CALLS + scenario.learning_steps
        bench = self._workbench(scenario)
        cell = Cell(strategy, scenario, self.threads)
        try:
            with np.errstate(all="ignore"):  # what overflows or is no number is told by the error
                if cell.predict(bench.speeds, self.budget, calls):
                    worker = WorkerHere(bench, strategy)
                    cell.verify(worker, bench, self.budget.time_s)
                    if sample is not None:
                        cell.times = self._times(worker, bench, sample)
                        cell.verified |= worker.ask("learn", self.budget.time_s)
        except (Exception, SystemExit) as error:
            cell.fail(error)
        self._cells.append(cell)
        record = cell.record()
        self.results.records.append(record)
        self._journal.add(record)
        return record

    def _times(self, worker: WorkerHere, bench: Workbench, sample: Sampler) -> Times:
        """The rounds that `sample` gives, and turn by turn the ratios to the short form and to the baselines."""
        prepare_s = worker.ask("prepare", self.budget.time_s)["prepare_s"]
        samples = [float(one) for one in sample(worker.call)]
        names = {"ratio_to_loss": LOSS, "ratio_to_products": PRODUCTS}
        if worker.strategy.name != SHORT_FORM:
            names["ratio_to_short_form"] = SHORT_FORM
        others: dict[str, Call] = {}
        for name, target in names.items():
            other = WorkerHere(bench, find_target(target))
            other.ask("prepare", self.budget.time_s)
            others[name] = other.call
        median_s = float(np.median(samples))
        if median_s > _SLOW_S:
            ratios = {name: median_s / seconds_per_call(other, 0.05) for name, other in others.items()}
        else:
            ratios = median_ratios(worker.call, others, turns=11, turn_s=max(0.004, median_s))
        return Times([samples], prepare_s, ratios={"ratio_to_short_form": 1.0} | ratios)

    def _workbench(self, scenario: Scenario) -> Workbench:
        if self._bench is None or self._bench.scenario != scenario:
            self._close_scenario()
            self._bench = Workbench(scenario, self.dataset, self.threads, self.budget.memory_bytes)
        return self._bench

    def _close_scenario(self) -> None:
        """Compare every pair of the scenario's gradients, and forget its cells."""
        for row in agreements_of(self._cells):
            self.results.agreements.append(row)
            self._journal.add(row)
        self._cells.clear()
        self._bench = None

"""A run: cells measured scenario by scenario into a journal, and the reports made from it.

`pytest --benchmark-only` and the `backprop` command drive the same run; they differ in who times the rounds.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop import Parameters, Strategy
from backprop.bench.budget import Budget
from backprop.bench.cell import FEWEST_ROUNDS, Call, Cell, Workbench
from backprop.bench.journal import Journal, locked
from backprop.bench.libraries import measured_libraries, write_constraints
from backprop.bench.machine import describe_machine
from backprop.bench.record import FORMAT, Description, Record
from backprop.bench.results import Results, agreement_of
from backprop.bench.scenarios import Scenario
from backprop.bench.threads import check_threads
from backprop.verify import REFERENCE, pairs

if TYPE_CHECKING:
    from backprop.data import Dataset

Sampler = Callable[[Call], Sequence[float]]


def sample_rounds(call: Call, seconds: float = 0.5, most_rounds: int = 200) -> list[float]:
    """Seconds per call of each round: rounds of at least a millisecond for about `seconds`, collector off."""
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-9)
    calls = max(1, round(1e-3 / once))
    rounds = int(min(most_rounds, max(FEWEST_ROUNDS, seconds / (calls * once))))
    samples = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(calls):
                call()
            samples.append((time.perf_counter() - start) / calls)
    finally:
        if collecting:
            gc.enable()
    return samples


@dataclass
class Run:
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
    _gradients: dict[str, Parameters] = field(init=False, default_factory=dict)
    _tolerances: dict[str, float] = field(init=False, default_factory=dict)

    def __enter__(self) -> Run:
        check_threads(self.threads)
        description = Description(
            format=FORMAT,
            command=self.command,
            data=self.dataset.name,
            reference=REFERENCE,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            memory_budget_bytes=self.budget.memory_bytes,
            time_budget_s=self.budget.time_s,
            machine=describe_machine(self.threads, self.cores, measured_libraries(self.strategies)),
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self.folder))
            self._journal = stack.enter_context(Journal(self.folder, description))
            write_constraints(self.folder, description)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._open:
            self._close_scenario()

    def measure(self, strategy: Strategy[Any], scenario: Scenario, sample: Sampler = sample_rounds) -> Record:
        """Measure one cell, journal it and return its record; a strategy's failure becomes a row, too."""
        cell = Cell(strategy, self._workbench(scenario), self.budget)
        try:
            with np.errstate(all="ignore"):  # what overflows or is no number is told by the error
                if cell.forecast():
                    cell.verify()
                    cell.judge()
                    cell.time(sample)
        except (Exception, SystemExit) as error:
            cell.failed(error)
        self._finish(cell)
        return cell.record

    def verify(self, strategy: Strategy[Any], scenario: Scenario) -> Record:
        """Check one cell's gradient without timing it."""
        cell = Cell(strategy, self._workbench(scenario), self.budget)
        try:
            with np.errstate(all="ignore"):
                if cell.forecast(calls=1):
                    cell.verify()
                    cell.judge()
        except (Exception, SystemExit) as error:
            cell.failed(error)
        self._finish(cell)
        return cell.record

    def _workbench(self, scenario: Scenario) -> Workbench:
        if self._bench is None or self._bench.scenario != scenario:
            self._close_scenario()
            self._bench = Workbench(scenario, self.dataset, self.threads, self.budget.memory_bytes)
        return self._bench

    def _finish(self, cell: Cell) -> None:
        if cell.gradient is not None and cell.record.measured:
            self._gradients[cell.record.strategy] = cell.gradient
            self._tolerances[cell.record.strategy] = cell.record.tolerance or 0.0
        self.results.records.append(cell.record)
        self._journal.add(cell.record)

    def _close_scenario(self) -> None:
        """Compare every pair of the scenario's gradients and let go of them."""
        if self._bench is None:
            return
        for pair in pairs(self._gradients, self._tolerances):
            row = agreement_of(self._bench.scenario, pair)
            self.results.agreements.append(row)
            self._journal.add(row)
        self._gradients.clear()
        self._tolerances.clear()
        self._bench = None

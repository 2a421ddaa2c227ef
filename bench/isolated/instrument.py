"""The instrument: the groups of a suite, one after another, into a journal that a killed run goes on from."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from backprop.errors import OutputError, RecordError
from backprop.verify import REFERENCE
from bench.isolated.group import Group, Say
from bench.journal import NAME, Journal, finished_groups, read_journal
from bench.machine import describe_machine
from bench.results import Results
from bench.threads import choose_cores

if TYPE_CHECKING:
    from backprop.data import Dataset
    from bench.budget import Budget
    from bench.scenarios import Scenario
    from bench.suites import Suite


@dataclass
class Instrument:
    """A suite to be measured into a folder."""

    folder: Path
    suite: Suite
    budget: Budget
    threads: int
    dataset: Dataset
    data: str
    command: list[str]
    results: Results = field(init=False, default_factory=Results)

    def run(self, resume: bool, say: Callable[[Scenario, str], None], advance: Callable[[], None]) -> None:
        """Measure every group that the journal does not hold yet; `say` and `advance` are for a display.

        Raises `OutputError` where another run is at work in the folder or it cannot be written,
        `RecordError` where `resume` finds no run, or one of other settings.
        """
        self._make_folder()
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                self._run(resume, say, advance)
        except Timeout:
            raise OutputError(
                f"Another run is writing to {str(self.folder)!r}; expected another --out, or to wait for it."
            ) from None

    def _run(self, resume: bool, say: Callable[[Scenario, str], None], advance: Callable[[], None]) -> None:
        done = self._finished() if resume else set()
        with Journal.resume(self.folder) if resume else Journal(self.folder, self._description()) as journal:
            if resume:
                _, self.results.records, self.results.agreements = read_journal(self.folder)
            for scenario in self.suite.scenarios:
                if scenario.id in done:
                    continue
                records, agreements = self._group(scenario).measure(_saying(say, scenario), advance)
                journal.add_group(scenario.id, [*records, *agreements])
                self.results.records += records
                self.results.agreements += agreements
            if not (resume and finished_groups(self.folder)[1]):
                journal.end()

    def _group(self, scenario: Scenario) -> Group:
        threads = scenario.threads or self.threads
        return Group(
            scenario=scenario,
            targets=self.suite.strategies,
            schedule=self.suite.schedule,
            budget=self.budget,
            dataset=self.dataset,
            data=self.data,
            threads=threads,
            cores=choose_cores(threads),
            rng=np.random.default_rng(),
        )

    def _settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one it goes on with."""
        return {
            "suite": self.suite.name,
            "strategies": list(self.suite.strategies),
            "scenarios": [scenario.id for scenario in self.suite.scenarios],
            "starts": self.suite.schedule.starts,
            "turns": self.suite.schedule.turns,
            "threads": self.threads,
            "data": self.dataset.name,
        }

    def _description(self) -> dict[str, Any]:
        return {
            "command": shlex.join(self.command),
            "data": self.dataset.name,
            "reference": REFERENCE,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "memory_budget_bytes": self.budget.memory_bytes,
            "time_budget_s": self.budget.time_s,
            "machine": describe_machine(self.threads, choose_cores(self.threads)),
            "settings": self._settings(),
        }

    def _finished(self) -> set[str]:
        """The groups that the run in the folder has finished; it must be a run of these settings."""
        run, _, _ = read_journal(self.folder)
        theirs, ours = run.get("settings"), self._settings()
        if not isinstance(theirs, dict):
            raise RecordError(
                f"The run in {str(self.folder)!r} was not made by `backprop run`; expected one that was."
            )
        for name, value in ours.items():
            if theirs.get(name) != value:
                raise RecordError(
                    f"The run in {str(self.folder)!r} has {name} {theirs.get(name)!r} and this one {value!r}; "
                    "expected the same settings to go on."
                )
        return finished_groups(self.folder)[0]

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The results cannot be written to {str(self.folder)!r}: {error.strerror}; "
                "expected a writable folder."
            ) from error
        if not os.access(self.folder, os.W_OK):
            raise OutputError(
                f"The results cannot be written to {str(self.folder)!r}: no permission; expected a writable folder."
            )


def unfinished(folder: Path) -> bool:
    """Whether a run of the instrument lies in the folder that was killed or interrupted."""
    if not (folder / NAME).is_file():
        return False
    run, _, _ = read_journal(folder)
    return "settings" in run and not finished_groups(folder)[1]


def _saying(say: Callable[[Scenario, str], None], scenario: Scenario) -> Say:
    return lambda what: say(scenario, what)

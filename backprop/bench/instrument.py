"""The instrument: the groups of a suite, one after another, into a journal that a killed run goes on from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop.bench.budget import Budget
from backprop.bench.files import lead_to
from backprop.bench.journal import NAME, Journal, begun, finished_groups, locked, read_journal
from backprop.bench.libraries import write_constraints
from backprop.bench.places import Place
from backprop.bench.record import Description
from backprop.bench.report import make_room
from backprop.errors import RecordError

if TYPE_CHECKING:
    from backprop.bench.progress import GroupDisplay
    from backprop.data import Dataset


@dataclass
class Instrument:
    """A suite to be measured into a folder, at its place: this machine, a cluster, or nowhere."""

    folder: Path
    place: Place
    budget: Budget
    dataset: Dataset
    command: list[str]
    is_latest: bool = False
    """Whether `results/latest` is to lead to the folder."""

    def run(self, display: GroupDisplay, resume: bool = False, fresh: bool = False) -> None:
        """Measure every group that the journal does not hold yet, and tell the display of it.

        Raises `OutputError` where another run is at work in the folder, it cannot be written, or a run lies in
        it and neither `resume` nor `fresh` says what becomes of it; `RecordError` where `resume` finds a folder
        of something else, or a run of other settings.
        """
        self.place.check()
        if resume and not begun(self.folder) and _holds_something_else(self.folder):
            raise RecordError(
                f"The folder {str(self.folder)!r} holds no run to go on with; expected one that does."
            )
        with locked(self.folder):
            going_on = resume and begun(self.folder)
            done = self._finished() if going_on else set()
            if going_on:
                journal = Journal.resume(self.folder)
            else:
                make_room(self.folder, fresh)
                description = self._description()
                journal = Journal(self.folder, description)
            with journal:
                if not going_on:
                    write_constraints(self.folder, description)
                if self.is_latest:
                    lead_to(self.folder)
                self._measure(journal, done, display)

    def _measure(self, journal: Journal, done: set[str], display: GroupDisplay) -> None:
        left = [scenario for scenario in self.place.suite.scenarios if scenario.id not in done]
        display.expect(left, self.place.expected_seconds(self.budget))
        for scenario, found in self.place.measure(left, self.budget, display):
            journal.add_group(scenario.id, [*found.records, *found.agreements])
            display.finished(scenario)
        journal.end()

    def _settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one it goes on with."""
        suite, schedule = self.place.suite, self.place.suite.schedule
        return {
            "suite": suite.name,
            "strategies": list(suite.strategies),
            "scenarios": [
                f"{scenario.id}: {scenario.network}, {len(suite.strategies_of(scenario))} strategies"
                for scenario in suite.scenarios
            ],
            "starts": schedule.starts,
            "turns": schedule.turns,
            "turn": schedule.turn,
            "precision": schedule.precision,
            "claim": schedule.claim,
            "threads": self.place.threads,
            "data": self.dataset.name,
            "time_budget_s": self.budget.time_s,
            **self.place.settings(),
        }

    def _description(self) -> Description:
        return Description.now(
            shlex.join(self.command),
            self.dataset.name,
            self.budget,
            settings=self._settings(),
            notes=self.place.notes(),
            **self.place.description(),
        )

    def _finished(self) -> set[str]:
        """The groups that the run in the folder has finished; it must be a run of these settings.

        Its memory budget is taken over: the default one depends on what was free when it began.
        """
        run, _, _ = read_journal(self.folder)
        theirs, ours = run.settings, self._settings()
        if theirs is None or run.memory_budget_bytes is None:
            raise RecordError(
                f"The run in {str(self.folder)!r} was not made by `backprop run`; expected one that was."
            )
        for name, value in ours.items():
            if theirs.get(name) != value:
                apart = f"{name} {theirs.get(name)!r} and this one {value!r}"
                if isinstance(value, list):
                    apart = f"other {name} than this one: {_difference(theirs.get(name) or [], value)}"
                raise RecordError(
                    f"The run in {str(self.folder)!r} has {apart}; expected the same settings to go on."
                )
        self.budget = Budget(run.memory_budget_bytes, self.budget.time_s)
        return finished_groups(self.folder)[0]


def _difference(theirs: list[str], ours: list[str]) -> str:
    """The difference of two lists in words: what one of them lacks, or that their order differs."""
    alone = {
        "it alone has": [one for one in theirs if one not in ours],
        "this one alone has": [one for one in ours if one not in theirs],
    }
    said = [f"{who} {', '.join(names)}" for who, names in alone.items() if names]
    return " and ".join(said) or "the same ones in another order"


def _holds_something_else(folder: Path) -> bool:
    """Whether there are files of which a run that was killed at its beginning leaves none."""
    return folder.exists() and (
        not folder.is_dir() or any(path.name not in (".lock", NAME) for path in folder.iterdir())
    )

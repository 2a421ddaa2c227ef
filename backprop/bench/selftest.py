"""The self-test: what the harness reports for known differences, measured with the schedule of a suite.

One run is one group of workers that all run the short form and take turns:

    base and A/A twin     the pair that gives the noise floor
    2%, 3%, 5%, 10%       every turn is made to take that much longer; compared with the base
    pairs of twins        the same code twice, independent of all others; no difference should be found

Then two more twins are measured in as many starts and turns, but one after the other: a benchmark without turns.
At last 100 MB are allocated, by NumPy and outside of Python, and the memory tracker should find them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from backprop import units
from backprop.bench.files import decoded_file, write_files
from backprop.bench.machine import cpu_name
from backprop.bench.record import SHORT_FORM, SamplesByName
from backprop.bench.report.markdown import markdown_table
from backprop.bench.statistics import (
    SIGNIFICANCE,
    Estimate,
    LogMean,
    noise_floor,
    ratio_of,
    share_of,
    verdict,
)
from backprop.bench.turns import Participant, Schedule, Site, take_turns
from backprop.errors import OutputError, RecordError, is_file

BASE, TWIN = "base", "A/A twin"
PLANTED = (0.02, 0.03, 0.05, 0.10)
PAIRS = 5
"""Pairs of twins of a run."""
HOW_PLANTED = "a wait at the end of every turn"
"""A recorded setting: until November 2026 the wait came after every call, and made the next call slower."""
NAME = "selftest"
"""The name of the files, without .json and .md."""


class Trial(Struct):
    """One run. turns: of the group; apart: of the two twins that were measured one after another."""

    turns: SamplesByName
    apart: SamplesByName
    stopped: bool


@dataclass(frozen=True)
class Seen:
    """What was said of one pair whose truth is known. planted: by which share the second one is slower."""

    planted: float
    ratio: LogMean
    verdict: str

    @property
    def found(self) -> bool:
        """Whether the test alone sees a difference."""
        return bool(self.ratio.p_value < SIGNIFICANCE)

    @property
    def claimed(self) -> bool:
        """Whether the second of the pair is called faster or slower."""
        return self.verdict in ("faster", "slower")

    @property
    def covered(self) -> bool:
        """Whether the truth lies within the 95% interval."""
        return bool(abs(self.ratio.mean - math.log1p(self.planted)) <= self.ratio.reach())


def seen(trial: Trial) -> list[Seen]:
    """The pairs of twins, and everything that was slowed down against the base."""
    turns = trial.turns
    floor = noise_floor(ratio_of(turns[TWIN], turns[BASE], together=True))
    pairs = [(0.0, _twin(k, "b"), _twin(k, "a")) for k in range(PAIRS)]
    pairs += [(share, _slower(share), BASE) for share in PLANTED]
    found = []
    for planted, own, other in pairs:
        ratio = ratio_of(turns[own], turns[other], together=True)
        found.append(Seen(planted, ratio, verdict(ratio, len(turns[own]), floor)))
    return found


def one_trial(site: Site, schedule: Schedule, alive: Callable[[], None]) -> Trial:
    """One run of the planted strategies; raises `WorkerError` where a worker failed. `alive` is called often."""
    stopped = True

    def taken(labels: Sequence[str]) -> SamplesByName:
        nonlocal stopped
        planted = [Participant(label, SHORT_FORM, SHARES.get(label, 0.0)) for label in labels]
        turns = take_turns(planted, schedule, site, alive, alive)
        stopped &= turns.stopped
        for outcome in turns.outcomes.values():
            if outcome.failure is not None:
                raise outcome.failure
        starts = {label: turns.outcomes[label].starts for label in labels}
        return {label: [list(map(_six_digits, start)) for start in each] for label, each in starts.items()}

    together = taken(list(SHARES))
    apart = taken(["first"]) | taken(["second"])
    return Trial(together, apart, stopped)


def steps_of(schedule: Schedule) -> int:
    """How often `alive` is called during a run: after every worker that is ready, and every turn of a group."""
    return schedule.starts * (len(SHARES) + 2 + 3 * schedule.turns)


def _six_digits(seconds: float) -> float:
    return float(f"{seconds:.6g}")


def _slower(share: float) -> str:
    return f"{share:.0%} slower"


def _twin(k: int, side: str) -> str:
    return f"twins {k + 1}{side}"


SHARES = {BASE: 0.0, TWIN: 0.0} | {_slower(share): share for share in PLANTED}
SHARES |= {_twin(k, side): 0.0 for k in range(PAIRS) for side in "ab"}
"""By label, by which share each worker of a group is slowed down."""


# What all runs say together ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """All pairs of one planted difference: the shares of them, each with its own 95% interval."""

    planted: float
    pairs: int
    found: Estimate
    claimed: Estimate
    covered: Estimate
    ratio: float
    """The geometric mean of the measured ratios."""


class SelfTest(Struct):
    """All runs with the same settings, on the same machine."""

    settings: dict[str, Any]
    trials: list[Trial] = []

    def lines(self) -> list[Line]:
        """One line a planted difference, that of nothing first; the runs must be one at least."""
        everything = [one for trial in self.trials for one in seen(trial)]
        lines = []
        for planted in (0.0, *PLANTED):
            own = [one for one in everything if one.planted == planted]
            found, claimed, covered = (
                share_of(sum(getattr(one, what) for one in own), len(own))
                for what in ("found", "claimed", "covered")
            )
            ratio = math.exp(np.mean([one.ratio.mean for one in own]))
            lines.append(Line(planted, len(own), found, claimed, covered, ratio))
        return lines

    def errors(self) -> tuple[float, float]:
        """How far twins seem apart, as a root mean square share: one after another, and taking turns."""
        apart = [ratio_of(one.apart["second"], one.apart["first"], together=False) for one in self.trials]
        turns = [one.ratio for trial in self.trials for one in seen(trial) if not one.planted]
        first, second = (math.sqrt(np.mean([one.mean**2 for one in ratios])) for ratios in (apart, turns))
        return first, second

    @property
    def stopped(self) -> bool:
        """Whether waiting workers could be stopped in every run."""
        return all(trial.stopped for trial in self.trials)


def rows(result: SelfTest) -> list[dict[str, str]]:
    """One row a planted difference, as text."""
    return [
        {
            "planted": f"{line.planted:.0%}" if line.planted else "nothing: twins",
            "pairs": f"{line.pairs:,}",
            f"found (p < {SIGNIFICANCE})": _share(line.found),
            "called faster or slower": _share(line.claimed),
            "truth within the 95% interval": _share(line.covered),
            "mean ratio": f"{line.ratio:.4f}",
        }
        for line in result.lines()
    ]


def gain(result: SelfTest) -> str:
    """One sentence: what taking turns is worth."""
    apart, turns = result.errors()
    said = (
        f"Twins measured one process after another, in the same number of starts and turns, seem {apart:.1%} apart "
        f"(root mean square); twins that take turns {turns:.1%}"
    )
    return f"{said}: {apart / turns:.1f} times as close." if turns else f"{said}."


def markdown(result: SelfTest) -> str:
    """The result as a page of Markdown."""
    settings, count = result.settings, len(result.trials)
    schedule = f"{settings['starts']} starts of {settings['turns']} turns"
    sections = [
        "# Self-test: differences whose truth is known",
        f"{settings['scenario']}, {units.threads(settings['threads'])}, {schedule}, {count} runs, {settings['cpu']}.",
        "Shares with their exact 95% interval (Clopper and Pearson). `found` is the t-test alone; faster or slower "
        "is said where the factor also exceeds 1.05 and the noise floor.",
        markdown_table(rows(result)),
        gain(result),
    ]
    return "\n\n".join(sections) + "\n"


def _share(share: Estimate) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


# Files ------------------------------------------------------------------------------------------------


def save(result: SelfTest, folder: Path) -> None:
    """Write selftest.json, from which the self-test goes on, and selftest.md; raises `OutputError`."""
    # one line for each run
    text = json.dumps(msgspec.to_builtins(result)).replace('{"turns": ', '\n{"turns": ') + "\n"
    write_files("The self-test", folder, {f"{NAME}.json": text, f"{NAME}.md": markdown(result)})


def settings_of(site: Site, schedule: Schedule) -> dict[str, Any]:
    """What a self-test that goes on must have in common with the runs so far."""
    return {
        "scenario": site.scenario.id,
        "starts": schedule.starts,
        "turns": schedule.turns,
        "turn": schedule.turn,
        "planted": HOW_PLANTED,
        "threads": site.threads,
        "cpu": cpu_name(),
    }


def resumed(settings: dict[str, Any], folder: Path, resume: bool) -> SelfTest:
    """A self-test with these settings: the one that the folder holds, if it is to go on, or a new one.

    Raises `OutputError` where the folder holds one that is not asked for, `RecordError` where it cannot be read or
    has other settings.
    """
    path = folder / f"{NAME}.json"
    if not is_file(path):
        return SelfTest(settings)
    if not resume:
        raise OutputError(
            f"A self-test lies in {str(folder)!r}; expected --resume to go on, or another folder."
        )
    expected = "what `backprop selftest --out` writes"
    found = decoded_file(path, _DECODER, "The self-test", expected)
    for name, value in settings.items():
        if found.settings.get(name) != value:
            raise RecordError(
                f"The self-test in {str(folder)!r} has {name} {found.settings.get(name)!r} and this one {value!r}; "
                "expected the same settings to go on."
            )
    for number, trial in enumerate(found.trials, 1):
        whole = trial.turns.keys() == SHARES.keys() and trial.apart.keys() == {"first", "second"}
        starts = {len(one) for samples in (trial.turns, trial.apart) for one in samples.values()}
        if not whole or starts != {settings["starts"]}:
            raise RecordError(
                f"The self-test {str(path)!r} lacks workers or starts in its run {number}; expected {expected}."
            )
    return found


_DECODER = msgspec.json.Decoder(SelfTest)


def run_selftest(
    result: SelfTest,
    trial: Callable[[], Trial],
    runs: int | None,
    seconds: float,
    told: Callable[[SelfTest], None],
) -> None:
    """Add runs until there are `runs`, or as many as fit into `seconds`, at least one; `told` hears of each."""
    start = time.monotonic()
    while runs is None or len(result.trials) < runs:
        began = time.monotonic()
        result.trials.append(trial())
        told(result)
        now = time.monotonic()
        if runs is None and now - start + (now - began) > seconds:
            return

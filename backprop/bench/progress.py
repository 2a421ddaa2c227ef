"""Progress of long work: what is running, the time so far, and the time to go as far as it is known.

On a terminal that is a line on standard error that is drawn anew, elsewhere (a pipe, a file, TERM=dumb) one every few
seconds:

    3 of 10: mnist-32/float64, verifying full-jacobian, 12 s so far, about 40 s to go

The time to go follows from the share of the work that is done, in steps, or in seconds if these were estimated.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from backprop import units

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite


T = TypeVar("T")

_SILENT_S = 2.0
"""What is over before that needs no line."""
_LINE_S = 5.0
"""Seconds between two lines, where there is no terminal."""
_LOOK_S = 0.5
"""Seconds between two looks at the clock, and two pictures. Drawing is work: it must not disturb what is measured."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def roughly(seconds: float) -> str:
    """Seconds that nobody knows exactly: 5 s, 50 s, 3 min, 1 h 20 min."""
    step = 5 if seconds < 90 else 60
    return duration(max(step * round(seconds / step), step)).removesuffix(" 0 s")


class Progress:
    """Shows on standard error how far something has come, while it is entered as a context manager.

    what: the words for it, which `say` changes. total: units of work. unit_s: the seconds that one unit is thought to
    take; None where nobody knows before the first one is done.
    """

    def __init__(
        self,
        what: str,
        total: float = 1.0,
        unit_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._clock = what, clock
        self._began = clock()
        self._drawn = self._began + _SILENT_S - _LINE_S
        self._over, self._stack, self._is_live = threading.Event(), contextlib.ExitStack(), False
        self.expect(total, unit_s)

    def __enter__(self) -> Progress:
        from rich.console import Console

        console = Console(stderr=True)
        self._status = console.status(self.words(), refresh_per_second=1 / _LOOK_S)
        self._is_live = sys.stderr.isatty() and not console.is_dumb_terminal
        if self._is_live:
            self._stack.enter_context(self._status)
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._over.set)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def expect(self, total: float, unit_s: float | None = None) -> None:
        """So much is left from now on."""
        self._total, self._unit_s, self.done = total, unit_s, 0.0
        self._since = self._advanced = self._clock()

    def say(self, what: str) -> None:
        """Show these words from now on for what is at work."""
        self._what = what
        self._draw_line_if_due()

    def advance(self, units: float = 1.0) -> None:
        """So many units are done."""
        self.done += units
        self._advanced = self._clock()
        self._draw_line_if_due()

    def words(self) -> str:
        """The line: what is at work, the time so far, and the time to go."""
        words = f"{self._what}, {duration(self._clock() - self._began)} so far"
        unit_s = (self._advanced - self._since) / self.done if self.done else self._unit_s
        if unit_s is None:
            return words
        to_go = (self._total - self.done) * unit_s - (self._clock() - self._advanced)
        return f"{words}, about {duration(to_go)} to go" if to_go > 0 else f"{words}, longer than thought"

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if self._is_live:
                self._status.update(self.words())
            self._draw_line_if_due()

    def _draw_line_if_due(self) -> None:
        if not self._is_live and self._clock() - self._drawn >= _LINE_S:
            self._drawn = self._clock()
            with contextlib.suppress(OSError):  # nobody reads it: no reason to end the work
                print(self.words(), file=sys.stderr, flush=True)


def tracked(items: Sequence[T], describe: str, name: Callable[[T], str]) -> Iterator[T]:
    """The items one by one, each one a step: `describe` says what is done to them, `name` what each is."""
    with Progress(describe, len(items)) as progress:
        for number, item in enumerate(items, start=1):
            progress.say(f"{number} of {len(items)}: {describe} {name(item)}")
            yield item
            progress.advance()


class GroupDisplay:
    """The display of a suite, group by group: what runs, how many groups are done, and the time to go.

    is_told: whether a line says, before the first group, how long the suite is expected to take.
    """

    def __init__(self, progress: Progress, suite: Suite, is_told: bool = False) -> None:
        self._progress, self._suite, self._is_told = progress, suite, is_told
        self._what, self._turns = "", 0
        self.expect(suite.scenarios)

    def expect(self, scenarios: Sequence[Scenario], seconds: Mapping[str, float] | None = None) -> None:
        """Say which groups are left; each should take the `seconds` under the id of its scenario.

        Where nothing is known of their seconds every group counts the same. May be called again, for what is left.
        """
        self._units = {one.id: seconds[one.id] if seconds else 1.0 for one in scenarios}
        total = sum(self._units.values())
        self._progress.expect(total, 1.0 if seconds else None)
        if seconds and self._is_told:
            cells = sum(len(self._suite.strategies_of(one)) for one in scenarios)
            what = f"{units.counted(cells, 'cell')} in {units.counted(len(scenarios), 'scenario')}"
            print(f"Suite {self._suite.name}: {what}, about {roughly(total)}.", file=sys.stderr, flush=True)

    def say(self, scenario: Scenario, what: str) -> None:
        """Say what runs in which scenario."""
        self._turns = 0
        number = self._suite.scenarios.index(scenario) + 1
        self._what = f"{number} of {len(self._suite.scenarios)}: {scenario.id}, {what}"
        self._progress.say(self._what)

    def advance(self) -> None:
        """Count one turn of the group that is under way."""
        self._turns += 1
        planned = self._suite.schedule.starts * self._suite.schedule.turns
        of = f" of {planned:,}" if self._turns <= planned else ""  # a precision may need more
        self._progress.say(f"{self._what}, turn {self._turns:,}{of}")

    def finished(self, scenario: Scenario) -> None:
        """Count a whole group."""
        self._progress.advance(self._units[scenario.id])

"""What takes long shows that it lives: what is at work, the time so far, and the time to go as far as it is known.

On a terminal that is a bar on standard error, elsewhere (a pipe, a file, TERM=dumb) a line every few seconds:

    3 of 10: mnist-32/float64, verifying full-jacobian, 12 s so far, about 40 s to go

The time to go is measured in units of work: steps, or seconds where somebody has estimated them. The pace is that of
the units that are done; before the first one it is what was estimated, or unknown. What is under way may take its
share of the time; once it takes clearly longer, the time to go is "at least" that of the rest.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite

T = TypeVar("T")
Clock = Callable[[], float]

_SILENT_S = 2.0
"""What is over before that needs no line."""
_LINE_S = 5.0
"""Seconds between two lines, where there is no terminal."""
_DRAW_S = 0.5
"""Seconds between two pictures of the bar. Drawing is work: it must not disturb what is measured."""
_LOOK_S = 0.5
"""Seconds that the thread sleeps."""
_OVERDUE = 1.5
"""By which factor a step may take longer than thought before that is said."""
_TRUST = 0.1
"""Which share of the work must be done before the measured pace counts as much as the estimated one."""


@dataclass
class Pace:
    """The time to go.

    total, done, under_way: units of work; under_way is the part that has begun, or None where nobody says so.
    unit_s: the seconds that one unit is thought to take, None where nobody knows before the first one is done.
    """

    total: float
    unit_s: float | None = None
    clock: Clock = time.monotonic
    done: float = field(init=False, default=0.0)
    under_way: float = field(init=False, default=0.0)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self.expect(self.total, self.unit_s)

    @property
    def so_far_s(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self._began

    def expect(self, total: float, unit_s: float | None = None) -> None:
        """So much is left from now on."""
        self.total, self.unit_s = total, unit_s
        self.done = self.under_way = 0.0
        self._since = self._advanced = self.clock()
        self._step = total

    def begin(self, units: float) -> None:
        """So many units are under way from now on, besides those that are already."""
        self.under_way += units

    def advance(self, units: float) -> None:
        """So many units are done, and no longer under way."""
        self.done += units
        self.under_way = max(self.under_way - units, 0.0)
        self._step = units
        self._advanced = self.clock()

    def to_go(self) -> tuple[float, bool] | None:
        """The seconds to go, and whether they are only a lower bound; None where nothing is known yet."""
        pace = self._pace()
        if pace is None:
            return None
        waited, share = self.clock() - self._advanced, (self.under_way or self._step) * pace
        left = max(self.total - self.done, 0.0) * pace - min(waited, share)
        return max(left, 0.0), waited > _OVERDUE * share + _SILENT_S

    def _pace(self) -> float | None:
        """Seconds a unit: the estimate at first, and more and more what was seen."""
        spent = self._advanced - self._since
        if self.unit_s is None:
            return spent / self.done if self.done else None
        trusted = _TRUST * self.total
        return (spent + trusted * self.unit_s) / (self.done + trusted) if self.total else None


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

    pace: the work. what: the words for it, which `say` changes. A thread of its own draws where nothing is said for a
    while; it sleeps in between.
    """

    def __init__(self, pace: Pace, what: str) -> None:
        self.pace = pace
        self._what = what
        self._over, self._lock = threading.Event(), threading.Lock()
        self._drawn = pace.clock() + _SILENT_S - _LINE_S
        self._bar: Bar | None = None
        self._every_s = _LINE_S
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Progress:
        if is_live():
            self._bar = self._stack.enter_context(_bar(self.words))
            self._every_s = _DRAW_S
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._over.set)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def say(self, what: str) -> None:
        """These words for what is at work from now on."""
        self._what = what
        self._draw_if_due()

    def advance(self, units: float = 1.0) -> None:
        """So many units are done."""
        self.pace.advance(units)
        self._draw_if_due()

    def words(self) -> str:
        """The line: what is at work, the time so far, and the time to go."""
        words, to_go = f"{self._what}, {duration(self.pace.so_far_s)} so far", self.pace.to_go()
        if to_go is None:
            return words
        seconds, is_least = to_go
        if is_least and seconds < 1:
            return f"{words}, longer than thought"
        return f"{words}, {'at least' if is_least else 'about'} {duration(max(seconds, 1.0))} to go"

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._draw_if_due()

    def _draw_if_due(self) -> None:
        if self.pace.clock() - self._drawn < self._every_s or not self._lock.acquire(blocking=False):
            return
        try:
            self._drawn = self.pace.clock()
            with contextlib.suppress(OSError):  # nobody reads it: no reason to end the work
                self._draw()
        finally:
            self._lock.release()

    def _draw(self) -> None:
        if self._bar is None:
            print(self.words(), file=sys.stderr, flush=True)
            return
        to_go, so_far = self.pace.to_go(), self.pace.so_far_s
        share = {"total": None} if to_go is None else {"total": so_far + to_go[0], "completed": so_far}
        self._bar.update(self._bar.task_ids[0], refresh=True, **share)


def is_live() -> bool:
    """Whether standard error is a terminal that can draw a line anew."""
    from rich.console import Console

    return sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal


def _bar(words: Callable[[], str]) -> Bar:
    """A short bar and the words beside it, as many lines as they need."""
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task
    from rich.progress import Progress as Bar
    from rich.table import Column
    from rich.text import Text

    class Words(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(words())

    bar = Bar(
        BarColumn(bar_width=12),
        Words(table_column=Column(overflow="fold")),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
    )
    bar.add_task("")
    return bar


def working(what: str, seconds: float | None = None) -> Progress:
    """Progress of work that has no steps; `seconds` is what it is thought to take, if somebody knows.

    with working("SymPy derives the network"): …
    """
    return Progress(Pace(1.0, seconds), what)


def tracked(items: Sequence[T], describe: str, name: Callable[[T], str]) -> Iterator[T]:
    """The items one by one, each one a step: `describe` says what is done to them, `name` what each is."""
    with Progress(Pace(len(items)), describe) as progress:
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
        """These groups are left, each of which is thought to take the `seconds` under the id of its scenario.

        Where nothing is known of their seconds every group counts the same. May be called again, for what is left.
        """
        self._units = {one.id: seconds[one.id] if seconds else 1.0 for one in scenarios}
        self._begun: set[str] = set()
        total = sum(self._units.values())
        self._progress.pace.expect(total, 1.0 if seconds else None)
        if seconds and self._is_told:
            cells = sum(len(self._suite.strategies_of(one)) for one in scenarios)
            what = f"{_counted(cells, 'cell')} in {_counted(len(scenarios), 'scenario')}"
            print(f"Suite {self._suite.name}: {what}, about {roughly(total)}.", file=sys.stderr, flush=True)

    def say(self, scenario: Scenario, what: str) -> None:
        """Say what runs in which scenario."""
        if scenario.id not in self._begun:
            self._begun.add(scenario.id)
            self._progress.pace.begin(self._units[scenario.id])
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


@contextlib.contextmanager
def group_display(suite: Suite, is_told: bool = False) -> Iterator[GroupDisplay]:
    """The display of a suite, for as long as it is measured."""
    with Progress(Pace(len(suite.scenarios)), "starting") as progress:
        yield GroupDisplay(progress, suite, is_told)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

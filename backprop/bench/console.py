"""What commands print: rich tables and a progress bar on a terminal, plain text when piped."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from backprop.bench.record import Agreement, Record, one_line
from backprop.bench.report import units

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite

T = TypeVar("T")

_PIPED_WIDTH = 10_000  # a line that is read by a program must not be folded
_MOST_TABLES = 25
_STYLES = {"ok": "green", "disagrees": "bold red", "crashed": "red", "out-of-memory": "red"}


def make_console() -> Console:
    """A console on standard output; it takes no text of a user's for its own mark-up."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def tracked(items: Sequence[T], describe: str, name: Callable[[T], str]) -> Iterator[T]:
    """The items one by one, with a progress bar on standard error where that is a terminal."""
    with _progress() as progress:
        task = progress.add_task(describe, total=len(items))
        for item in items:
            progress.update(task, description=f"{describe} {name(item)}")
            yield item
            progress.advance(task)


def _progress() -> Progress:
    """A progress bar on standard error, where that is a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@contextlib.contextmanager
def group_display(suite: Suite) -> Iterator[tuple[Callable[[Scenario, str], None], Callable[[], None]]]:
    """A live display of a suite: what runs, how much is left, time to go. Gives `say` and `advance`."""
    rounds = suite.schedule.starts * suite.schedule.turns
    with _progress() as progress:
        task = progress.add_task("starting", total=rounds * len(suite.scenarios))

        def say(scenario: Scenario, what: str) -> None:
            number = suite.scenarios.index(scenario) + 1
            progress.update(
                task,
                description=f"{number}/{len(suite.scenarios)} {scenario.id}: {what}",
                completed=rounds * (number - 1),
            )

        yield say, lambda: progress.advance(task)


def make_table(title: str, columns: Iterable[str], numbers: Iterable[str] = ()) -> Table:
    """An empty table; the columns named in `numbers` are set to the right."""
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD if sys.stdout.isatty() else box.ASCII2,
        header_style="bold",
    )
    right = set(numbers)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    return table


def print_records(console: Console, records: Sequence[Record], notes: Sequence[str] = ()) -> None:
    """One ranked table a scenario, with what was not as it should be when it was measured.

    Of a long sweep the first scenarios: nobody scrolls through the rest, which is in the report.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.scenario, record.dtype), []).append(record)
    numbers = ("time", "÷ short form", "noise floor", "peak memory", "error", "tolerance", "accuracy")
    for (scenario, dtype), cells in list(groups.items())[:_MOST_TABLES]:
        first = cells[0]
        title = f"{scenario}, {dtype}: {first.network}, batch {first.batch_size}"
        has_ranks = any(cell.rank_best for cell in cells)
        ranks = ("#",) if has_ranks else ()
        table = make_table(title, (*ranks, "strategy", *numbers, "status", "reason"), (*ranks, *numbers))
        for cell in sorted(cells, key=_rank):
            table.add_row(
                *([units.rank(cell.rank_best, cell.rank_worst)] if has_ranks else []),
                one_line(cell.strategy),
                _seen_or_predicted(units.seconds, cell.time_median_s, cell.predicted_time_s),
                units.ratio(cell.ratio_to_short_form),
                units.factor(cell.noise_floor),
                _seen_or_predicted(units.data_size, cell.peak_bytes, cell.predicted_peak_bytes),
                units.error(cell.gradient_error),
                units.error(cell.tolerance),
                units.percent(cell.test_accuracy),
                cell.status,
                cell.reason or (f"unstable: {cell.unstable}" if cell.unstable else ""),
                style=_STYLES.get(cell.status, "dim") if cell.status != "ok" else None,
            )
        console.print(table)
        for note in notes:
            console.print(f"note: {note}")
    if (more := len(groups) - _MOST_TABLES) > 0:
        console.print(f"… and {more} scenarios more; all are in report.md and results.csv")


def _seen_or_predicted(
    text: Callable[[float | None], str], seen: float | None, predicted: float | None
) -> str:
    """What was measured, else what was predicted with a sign that says so."""
    return text(seen) if seen is not None or predicted is None else f"≈ {text(predicted)}"


def print_targets(console: Console, rows: Sequence[dict[str, str]]) -> None:
    """The rows of `target_rows`; nothing where there are none."""
    if rows:
        numbers = ("seen", "95% interval", "noise floor", "must", "aim")
        table = make_table("Targets", list(rows[0]), numbers)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)


def print_agreements(console: Console, agreements: Sequence[Agreement]) -> None:
    """Every pair with its distance, the distance allowed, and the verdict."""
    numbers = ("distance", "allowed")
    table = make_table(
        "Every pair of strategies: relative distance of their gradients",
        ("scenario", "dtype", "first", "second", *numbers, "verdict"),
        numbers,
    )
    for row in agreements:
        table.add_row(
            row.scenario,
            row.dtype,
            one_line(row.first),
            one_line(row.second),
            units.error(row.distance),
            units.error(row.tolerance),
            "agree" if row.agrees else "DISAGREE",
            style=None if row.agrees else "bold red",
        )
    console.print(table)


def _rank(record: Record) -> tuple[int, float]:
    """Right cells by time, then wrong ones, then those that did not run."""
    group = {"ok": 0, "disagrees": 1}.get(record.status, 2)
    return group, record.time_median_s or record.predicted_time_s or 0.0

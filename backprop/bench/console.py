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
from backprop.bench.report.answer import conclusion
from backprop.bench.report.ranking import by_scenario, rank
from backprop.bench.report.tables import TEXT_COLUMNS, Row, ranking

if TYPE_CHECKING:
    from backprop.bench.scenarios import Scenario
    from backprop.bench.suites import Suite

T = TypeVar("T")

_PIPED_WIDTH = 10_000  # a program that reads a line needs it whole
_MOST_TABLES = 25
_STYLES = {"ok": "green", "disagrees": "bold red", "crashed": "red", "out-of-memory": "red"}


def make_console() -> Console:
    """A console on standard output, which prints every text as it is, without mark-up, colours of words and emoji."""
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
    """A live display of a suite: what runs, how much is left, and the time to go.

    It gives two functions: `say`, which shows what runs, and `advance`, which counts one turn.
    """
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
    """An empty table; the columns that `numbers` names are set to the right."""
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


_NUMBERS = ("time", "÷ short form", "noise floor", "peak memory", "error", "tolerance", "accuracy")


def print_records(console: Console, records: Sequence[Record], notes: Sequence[str] = ()) -> None:
    """One ranked table a scenario, each with the notes on how it was measured, then the answer in words.

    A long sweep shows its first scenarios; the others are in the report.
    """
    groups = by_scenario(records)
    for (scenario, dtype), cells in list(groups.items())[:_MOST_TABLES]:
        title = f"{scenario}, {dtype}: {cells[0].network}, batch {cells[0].batch_size}"
        ranks = ("#",) if any(map(rank, cells)) else ()
        headers = (*ranks, "strategy", *_NUMBERS, "status", "reason")
        table = make_table(title, headers, (*ranks, *_NUMBERS))
        for cell, figures in ranking(cells):
            row = {header: figures[header].text for header in headers}
            row["reason"] = row["reason"] or figures["status"].note
            style = _STYLES.get(cell.status, "dim") if cell.status != "ok" else None
            table.add_row(*row.values(), style=style)
        console.print(table)
        for note in notes:
            console.print(f"note: {note}")
    if (more := len(groups) - _MOST_TABLES) > 0:
        console.print(f"… and {more} scenarios more; all are in report.md and results.csv")
    for line in conclusion(records):
        console.print(line)


def print_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    """A table of these rows, text to the left and numbers to the right; nothing where there are none."""
    if rows:
        numbers = [header for header in rows[0] if header not in TEXT_COLUMNS]
        table = make_table(title, rows[0], numbers)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)


def print_targets(console: Console, rows: Sequence[Row]) -> None:
    """The rows of `target_rows`; nothing where there are none."""
    print_rows(console, "Targets", rows)


def print_agreements(console: Console, agreements: Sequence[Agreement]) -> None:
    """Every pair with its distance, the distance allowed, and the verdict."""
    headers = ("scenario", "dtype", "first", "second", "distance", "allowed", "verdict")
    title = "Every pair of strategies: relative distance of their gradients"
    table = make_table(title, headers, ("distance", "allowed"))
    for row in agreements:
        names = row.scenario, row.dtype, one_line(row.first), one_line(row.second)
        figures = units.error(row.distance), units.error(row.tolerance)
        verdict, style = ("agree", None) if row.agrees else ("DISAGREE", "bold red")
        table.add_row(*names, *figures, verdict, style=style)
    console.print(table)

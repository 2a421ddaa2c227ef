"""The tables of records that commands print, and the end of a command that measures."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.segment import Segment, SegmentLines
from rich.style import Style
from rich.styled import Styled

from backprop import units
from backprop.bench.commands import INTERRUPTED
from backprop.bench.record import Agreement, Record, Results, by_scenario, one_line, to_json
from backprop.bench.report.answer import conclusion
from backprop.bench.report.ranking import rank
from backprop.bench.report.tables import ranking
from backprop.bench.table import Columns, Table, print_tables

_MOST_TABLES = 25
_PIPED_WIDTH = 10_000
_STYLES = {"ok": "green", "disagrees": "bold red", "crashed": "red", "out-of-memory": "red"}


class _Console(Console):
    def print(self, *objects: Any, style: str | Style | None = None, **options: Any) -> None:
        """Print without blanks at the ends of lines, which Rich leaves where it wraps a text or fills a column."""
        lines = self.render_lines(Styled(Group(*objects or ("",)), style or ""), pad=False)
        for line in lines:
            while line and not line[-1].text.strip():
                line.pop()
            line[-1:] = [Segment(one.text.rstrip(), one.style) for one in line[-1:]]
        super().print(SegmentLines(lines, new_lines=True), end="", **options)

    def on_broken_pipe(self) -> None:
        """Rich would end the process here; `usable_streams` does it for every command alike."""
        raise BrokenPipeError


def make_console() -> Console:
    """A console on standard output, which prints every text as it is, without mark-up, colours of words and emoji.

    It is as wide as the terminal, or as COLUMNS says; in a pipe without COLUMNS a row of a table is one line.
    """
    width, height = shutil.get_terminal_size((_PIPED_WIDTH, 25))
    return _Console(width=width, height=height, highlight=False, markup=False, emoji=False)


_RANKED = ("time", "÷ short form", "noise floor", "peak memory", "error", "tolerance", "accuracy")
_RANKING = Columns(
    first=(
        "strategy",
        "time",
        "÷ short form",
        "peak memory",
        "status",
        "error",
        "#",
        "noise floor",
        "accuracy",
    ),
    prose=("status", "reason"),
)


def print_records(console: Console, records: Sequence[Record], everything: str = Columns.everything) -> None:
    """One ranked table a scenario, then the answer in words.

    A long sweep shows its first scenarios; the others are in the report. `everything` is what holds the columns for
    which there is no room.
    """
    groups = by_scenario(records)
    shown = list(groups.items())[:_MOST_TABLES]
    ranks = ("#",) if any(rank(cell) for _, cells in shown for cell in cells) else ()
    headers = (*ranks, "strategy", *_RANKED, "status", "reason")
    tables = []
    for (scenario, dtype), cells in shown:
        title = f"{scenario}, {dtype}: {cells[0].network}, batch {cells[0].batch_size}"
        rows, styles = [], []
        for cell, figures in ranking(cells):
            row = {header: figures[header].text for header in headers}
            reason = "" if cell.status == "predicted" else row["reason"] or figures["status"].note
            rows.append(row | {"reason": reason})
            styles.append(_STYLES.get(cell.status, "dim") if cell.status != "ok" else None)
        tables.append(Table(title, rows, styles))
    print_tables(console, tables, dataclasses.replace(_RANKING, everything=everything))
    if (more := len(groups) - _MOST_TABLES) > 0:
        console.print(f"… and {more} scenarios more; all are in report.md and results.csv")
    for line in conclusion(records):
        console.print(line)


_PAIRS = Columns(first=("first", "", "distance"), prose=("second",))


def print_agreements(console: Console, agreements: Sequence[Agreement]) -> None:
    """Every pair with its distance, the distance allowed, and the verdict."""
    tables = []
    for (scenario, dtype), pairs in by_scenario(agreements).items():
        rows = [
            {
                "first": one_line(pair.first),
                "second": one_line(pair.second),
                "distance": units.error(pair.distance),
                "allowed": units.error(pair.tolerance),
                "": "agree" if pair.agrees else "DISAGREE",
            }
            for pair in pairs
        ]
        title = f"{scenario}, {dtype}: relative distance of the gradients of every pair of strategies"
        tables.append(Table(title, rows, [None if pair.agrees else "bold red" for pair in pairs]))
    print_tables(console, tables, _PAIRS)


def print_written(paths: Iterable[Path]) -> None:
    """Say which files a command has written, a line each."""
    for path in paths:
        print(f"written: {path}")


def finish_run(
    done: Results,
    as_json: bool,
    written: list[Path],
    interrupted: bool,
    notes: Sequence[str] = (),
    again: str | None = None,
) -> None:
    """Print the results and exit with their code; `again` is the command that resumes an interrupted run."""
    from backprop.bench.report import left_as_they_were

    if as_json:
        rows = {
            "records": [to_json(row) for row in done.records],
            "agreements": [to_json(row) for row in done.agreements],
            "agree": done.agree,
            "written": [str(path) for path in written],
            "interrupted": interrupted,
            "notes": list(notes),
        }
        print(json.dumps(rows, indent=2))
    else:
        console = make_console()
        if not written and done.agreements:
            print_agreements(console, done.agreements)
        print_records(console, done.records, "results.csv" if written else "the output of --json")
        if done.records:
            console.print(done.verdict())
        print_written(written)
        for sentence in left_as_they_were(written[0].parent, written) if written else ():
            console.print(sentence)
    if interrupted:
        kept = "nothing was measured"
        if done.records:
            kept = "what was measured is kept" if written else "what was measured is above"
        print(f"Interrupted; {kept}.", file=sys.stderr)
        if again:
            print(f"To go on: {again}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if not done.agree or done.failed:
        sys.exit(1)

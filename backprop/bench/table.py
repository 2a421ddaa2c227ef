"""Tables on a terminal of any width: nothing is cut; what has no room goes under its row, or is left out.

A table is printed whole where it fits, and in a pipe. Where it does not fit, in this order

    empty      columns without any text or figure are left out
    headers    break between their words
    prose      long texts are wrapped in their column, or go under their row, each with its header before it
    columns    the least important ones are left out, and a note under the tables names them

A column that must be `kept` goes under its row instead of being left out.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from backprop.bench.streams import readable

_GAP = 2
"""Spaces between two columns."""
_LEAST_PROSE = 20
"""A narrower column of prose is hard to read: it goes under the rows."""
_NOTHING = ("", "-")
_NO_NEWS = (*_NOTHING, "ok", "yes")
"""Texts that are not worth a line of their own."""


@dataclass(frozen=True)
class Table:
    """Rows of text by header, below a title. styles: one a row, where rows have any."""

    title: str
    rows: Sequence[Mapping[str, str]]
    styles: Sequence[str | None] = ()


@dataclass(frozen=True)
class Columns:
    """What tables of one kind do with their columns.

    numbers: those that are set to the right. first: the most important ones; the others follow in the order in which
    they stand. prose: long texts. kept: those that are never left out; the most important one is always kept.
    everything: what holds the columns that were left out.
    """

    numbers: Collection[str] = ()
    first: Sequence[str] = ()
    prose: Collection[str] = ()
    kept: Collection[str] = ()
    everything: str = "the output of --json"


@dataclass(frozen=True)
class _Layout:
    """Which columns stand beside each other, with their widths; which go under the rows, and which are left out."""

    widths: dict[str, int]
    folded: Sequence[str] = ()
    left_out: Sequence[str] = ()

    def cell(self, row: Mapping[str, str], header: str) -> str:
        """The text in its column; empty where it goes under the row."""
        text = row.get(header, "")
        return "" if header in self.folded and cell_len(text) > self.widths[header] else text

    def under(self, row: Mapping[str, str]) -> list[str]:
        """The texts that go under this row, each after its header."""
        return [
            f"{header}: {row[header]}"
            for header in self.folded
            if cell_len(row.get(header, "")) > self.widths.get(header, 0) and row[header] not in _NO_NEWS
        ]


def print_tables(console: Console, tables: Sequence[Table], columns: Columns) -> None:
    """Print tables of one kind, all in the same layout; nothing of a table without rows."""

    def words(texts: Iterable[str]) -> list[str]:
        return [readable(text, console) for text in texts]

    known = Columns(
        words(columns.numbers),
        words(columns.first),
        words(columns.prose),
        words(columns.kept),
        columns.everything,
    )
    shown = [
        Table(
            readable(one.title, console),
            [dict(zip(words(row), words(row.values()), strict=True)) for row in one.rows],
            one.styles,
        )
        for one in tables
        if one.rows
    ]
    if not shown:
        return
    rows = [row for one in shown for row in one.rows]
    layout = _layout(rows, known, console.width if console.file.isatty() else sys.maxsize)
    for one in shown:
        if one.title:
            console.print(Text(one.title, style="italic"))
        _print(console, one, layout, known.numbers)
    if layout.left_out:
        names = ", ".join(layout.left_out)
        console.print(f"Columns left out at this width: {names}. All are in {known.everything}.\n")


def _layout(rows: Sequence[Mapping[str, str]], columns: Columns, width: int) -> _Layout:
    """The first of the ways above by which the rows fit into the width."""
    headers = list(dict.fromkeys(header for row in rows for header in row))
    texts = {header: max(cell_len(row.get(header, "")) for row in rows) for header in headers}
    widths = {header: max(texts[header], cell_len(header)) for header in headers}
    if _total(widths) <= width:
        return _Layout(widths)
    headers = [header for header in headers if any(row.get(header, "") not in _NOTHING for row in rows)]
    for header_width in (cell_len, _longest_word):
        widths = {header: max(texts[header], header_width(header)) for header in headers}
        if _total(widths) <= width:
            return _Layout(_widened(widths, width))
    prose = {header: widths[header] for header in headers if header in columns.prose}
    free = (
        width - sum(widths[header] for header in headers if header not in prose) - _GAP * (len(headers) - 1)
    )
    if prose and free >= sum(min(wish, _LEAST_PROSE) for wish in prose.values()):
        return _Layout(widths | _shared(free, prose))
    for header in prose:  # it stays where most of its texts are short, such as ok
        lengths = [cell_len(row[header]) for row in rows if row.get(header, "") not in _NOTHING]
        is_short = 2 * sum(length <= _longest_word(header) for length in lengths) > len(lengths)
        widths[header] = _longest_word(header) if is_short else 0
    return _without_the_least(headers, widths, columns, width)


def _without_the_least(
    headers: Sequence[str], widths: Mapping[str, int], columns: Columns, width: int
) -> _Layout:
    """As many columns as fit, the most important ones first; prose, and what is kept, goes under the rows."""
    most, *others = [*dict.fromkeys(name for name in (*columns.first, *headers) if name in headers)]
    found, left_out = {most: widths[most]}, list[str]()
    folded = [header for header in headers if header in columns.prose]
    for header in others:
        if header in folded and not widths[header]:
            continue
        if not left_out and _total({**found, header: widths[header]}) <= width:
            found[header] = widths[header]
        elif header in columns.kept:
            folded.append(header)
        elif header not in folded:
            left_out.append(header)
    shown = {header: found[header] for header in headers if header in found}
    return _Layout(_widened(shown, width), folded, left_out)


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _widened(widths: Mapping[str, int], width: int) -> dict[str, int]:
    """The same columns with whole headers for as many as have room, those that need the least first."""
    whole = dict(widths)
    for header in sorted(widths, key=lambda header: cell_len(header) - widths[header]):
        wider = {**whole, header: max(widths[header], cell_len(header))}
        if _total(wider) <= width:
            whole = wider
    return whole


def _longest_word(header: str) -> int:
    return max(map(cell_len, header.split()), default=0)


def _shared(free: int, wishes: Mapping[str, int]) -> dict[str, int]:
    """The free characters among columns of prose: each has what it wishes, or an equal share of what is left."""
    widths: dict[str, int] = {}
    for header, wish in sorted(wishes.items(), key=lambda item: item[1]):
        widths[header] = min(wish, (free - sum(widths.values())) // (len(wishes) - len(widths)))
    return widths


def _print(console: Console, table: Table, layout: _Layout, numbers: Collection[str]) -> None:
    """The table in parts: a row with something under it ends its part."""
    part = _part(console, layout, numbers, show_header=True)
    for row, style in itertools.zip_longest(table.rows, table.styles):
        part.add_row(*(Text(layout.cell(row, header)) for header in layout.widths), style=style)
        if under := layout.under(row):
            console.print(part)
            for text in under:
                console.print(Padding(Text(text, style=style or ""), (0, 0, 0, 2 * _GAP)))
            part = _part(console, layout, numbers, show_header=False)
    if part.row_count:
        console.print(part)
    if console.file.isatty():
        console.print()


def _part(console: Console, layout: _Layout, numbers: Collection[str], show_header: bool) -> RichTable:
    on_terminal = console.file.isatty()
    part = RichTable(
        box=box.SIMPLE_HEAD if on_terminal else box.ASCII2,
        header_style="bold",
        show_header=show_header,
        show_edge=not on_terminal,
        pad_edge=not on_terminal,
        padding=(0, _GAP - 1, 0, 0) if on_terminal else (0, 1),
    )
    for header, width in layout.widths.items():
        justify: JustifyMethod = "right" if header in numbers else "left"
        part.add_column(Text(header), justify=justify, width=width, overflow="fold")
    return part

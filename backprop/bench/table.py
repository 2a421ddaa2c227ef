"""Tables of commands, as wide as the terminal, or as COLUMNS says; in a pipe a row is a line. Nothing is cut.

Columns without any text or figure are left out. Where a table does not fit, in this order

    headers    break between their words
    prose      long texts are wrapped in their column, or go under their row, each with its header before it
    columns    the least important ones are left out, and a note under the tables names them
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

Row = Mapping[str, str]

TEXT_COLUMNS = {
    "", " ", "against", "against short form", "cell", "class", "command", "cpu", "dtype", "entry", "figure", "first",
    "fits", "gradient", "host", "layer", "library", "memory by", "name", "network",
    "planted", "quantity", "reached", "reason", "scenario", "second",
    "setting", "shape", "status", "strategy", "tensor", "there", "tool", "unstable", "verdict", "what", "work",
}  # fmt: skip
"""Headers of columns of text, which are set to the left, as prose is; all others hold numbers."""

_GAP = 2
"""Spaces between two columns."""
_LEAST_PROSE = 20
"""A narrower column of prose is hard to read: it goes under the rows."""
_NOTHING = ("", "-")
_NO_NEWS = (*_NOTHING, "ok", "yes", "predicted")
"""Texts that are not worth a line of their own."""


@dataclass(frozen=True)
class Table:
    """Rows of text by header, below a title. styles: one a row, where rows have any."""

    title: str
    rows: Sequence[Row]
    styles: Sequence[str | None] = ()


@dataclass(frozen=True)
class Columns:
    """What tables of one kind do with their columns.

    first: the most important ones; the others follow in the order in which they stand. prose: long texts, which are
    never left out; one that is among the first keeps a narrow column for its short texts. everything: what holds the
    columns that were left out.
    """

    first: Sequence[str] = ()
    prose: Collection[str] = ()
    everything: str = "the output of --json"


@dataclass(frozen=True)
class _Layout:
    """Which columns stand beside each other, with their widths; which go under the rows, and which are left out."""

    widths: dict[str, int]
    folded: Sequence[str] = ()
    left_out: Sequence[str] = ()

    def is_under(self, row: Row, header: str) -> bool:
        """Whether the text goes under the row."""
        return header in self.folded and cell_len(row.get(header, "")) > self.widths.get(header, 0)


def print_tables(console: Console, tables: Sequence[Table], columns: Columns) -> None:
    """Print tables of one kind, all in the same layout; nothing of a table without rows."""
    shown = [one for one in tables if one.rows]
    if not shown:
        return
    layout = _layout([row for one in shown for row in one.rows], columns, console.width)
    for one in shown:
        if one.title:
            console.print(Text(one.title, style="italic"))
        _print(console, one, layout, columns)
    if layout.left_out:
        names = ", ".join(layout.left_out)
        console.print(f"Columns left out at this width: {names}. All are in {columns.everything}.\n")


def _layout(rows: Sequence[Row], columns: Columns, width: int) -> _Layout:
    """The first of the ways above by which the rows fit into the width."""
    every = dict.fromkeys(header for row in rows for header in row)
    texts = {header: max(cell_len(row.get(header, "")) for row in rows) for header in every}
    headers = [header for header in every if any(row.get(header, "") not in _NOTHING for row in rows)]
    for header_width in (cell_len, _longest_word):
        widths = {header: max(texts[header], header_width(header)) for header in headers}
        if _total(widths) <= width:
            return _Layout(widths)
    prose = {header: widths[header] for header in headers if header in columns.prose}
    shared = _shared(width - _total(widths) + sum(prose.values()), prose)
    if prose and all(share >= _least([row.get(one, "") for row in rows]) for one, share in shared.items()):
        return _Layout(widths | shared)
    found, left_out = dict[str, int](), list[str]()
    for header in dict.fromkeys([*(one for one in columns.first if one in headers), *headers]):
        own = _longest_word(header) if header in prose else widths[header]
        if header in prose and header not in columns.first:
            continue
        if not left_out and (not found or _total({**found, header: own}) <= width):
            found[header] = own
        elif header not in prose:
            left_out.append(header)
    return _Layout({header: found[header] for header in headers if header in found}, [*prose], left_out)


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _least(texts: Sequence[str]) -> int:
    """The least width of a column of these texts: no word is broken."""
    return max(min(_LEAST_PROSE, max(map(cell_len, texts))), *map(_longest_word, texts))


def _shared(free: int, wishes: Mapping[str, int]) -> dict[str, int]:
    """The free characters among columns of prose: each has what it wishes, or an equal share of what is left."""
    widths: dict[str, int] = {}
    for header, wish in sorted(wishes.items(), key=lambda item: item[1]):
        widths[header] = min(wish, (free - sum(widths.values())) // (len(wishes) - len(widths)))
    return widths


def _print(console: Console, table: Table, layout: _Layout, columns: Columns) -> None:
    """The table in parts: a row with something under it ends its part."""
    part = _part(layout, columns, show_header=True)
    for row, style in itertools.zip_longest(table.rows, table.styles):
        shown = ("" if layout.is_under(row, header) else row.get(header, "") for header in layout.widths)
        part.add_row(*map(Text, shown), style=style)
        under = [one for one in layout.folded if layout.is_under(row, one) and row[one] not in _NO_NEWS]
        if under:
            console.print(part)
            for header in under:
                text = Text(f"{header}: {row[header]}", style=style or "")
                console.print(Padding(text, (0, 0, 0, 2 * _GAP), expand=False))
            part = _part(layout, columns, show_header=False)
    if part.row_count:
        console.print(part)
    console.print()


def _part(layout: _Layout, columns: Columns, show_header: bool) -> RichTable:
    part = RichTable(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        show_header=show_header,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
    )
    for header, width in layout.widths.items():
        is_text = header in TEXT_COLUMNS or header in columns.prose
        part.add_column(Text(header), justify="left" if is_text else "right", width=width, overflow="fold")
    return part

"""The result: the lines that are wrong, in text, as `path:line:col: message`, and as JSON."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backprop.check.entry import Entry
from backprop.check.lines.naming import called
from backprop.check.words import listed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_CELL = ", code cell "
"""In the name of a cell, between that of its notebook and its number."""
_WIDTH, _COLUMN = 78, 34
"""Columns of the text, which fits a terminal of 80 indented by two, and the one at which messages begin."""


@dataclass(frozen=True)
class Line:
    """A line of the backward pass that is wrong.

    file, line, column: where; lines count from 1, columns from 0. source: the line. variable: what it assigns, or the
    operation where it assigns nothing. text: the operation that gives the wrong value. call: which execution of the
    line is the first that is wrong, counted from 1; calls: how often the line is executed.
    tensors: the wrong tensors that the truth in its place makes right.
    should_be: what the value should be, `dL/d(hpre)`; of: the line of the forward pass with that variable, 0 for a
    tensor of the point. message: what is wrong with it, in a sentence or two.
    kind: a name of `KINDS`. evidence: what was seen. worst: got and expected entries, where they were compared.
    fix: of a line that is found by a change of its code, the code that is right in the place of `text`; empty where
    the value of the line says what is wrong.
    """

    file: str
    line: int
    column: int
    source: str
    variable: str
    text: str
    call: int
    calls: int
    tensors: tuple[str, ...]
    should_be: str
    of: int
    message: str
    kind: str
    evidence: str
    worst: tuple[Entry, ...] = ()
    fix: str = ""

    @property
    def path(self) -> str:
        """The file, from the folder in which this process runs where it lies below that; a cell by its number."""
        if called(self.file) != Path(self.file).name:
            return called(self.file)
        return os.path.relpath(self.file) if Path(self.file).is_relative_to(Path.cwd()) else self.file

    def __str__(self) -> str:
        path = self.path.replace(_CELL, ":cell ")
        return f"{path}:{self.line}:{self.column + 1}: {self.message} [{self.kind}]"

    @property
    def github(self) -> str:
        """The command by which a workflow of GitHub annotates the line; of a cell, the notebook."""
        path, _, cell = self.path.partition(_CELL)
        place = "" if cell else f",line={self.line},col={self.column + 1}"
        message = f"{_CELL[2:]}{cell}, line {self.line}: {self.message}" if cell else self.message
        path = path.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
        message = message.replace("%", "%25").replace("\n", "%0A")
        return f"::error file={path}{place},title={self.kind}::{message}"


@dataclass(frozen=True)
class Lines:
    """What was found. wrong: the tensors that are wrong; unplaced: those for which no line was found.

    lines: in the order in which they are executed. note: why no line was looked for, or not for all; else empty.
    calls: how often the function was called.
    """

    lines: tuple[Line, ...]
    wrong: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    note: str = ""
    calls: int = 0

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __bool__(self) -> bool:
        return bool(self.lines)

    @property
    def annotations(self) -> str:
        """A line for each, as editors and continuous integration read it: `path:line:col: message`."""
        return "\n".join(map(str, self.lines))

    @property
    def github(self) -> str:
        """The commands by which a workflow of GitHub annotates the lines."""
        return "\n".join(line.github for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lines:
        """The lines of `to_dict`; raises `TypeError`, `ValueError` or `KeyError` for what is none."""
        lines = []
        for each in data["lines"]:
            worst = tuple(
                Entry(
                    tuple(map(int, one["index"])),
                    *(float(one[key]) for key in ("got", "expected", "uncertainty")),
                )
                for one in each["worst"]
            )
            lines.append(replace(from_plain(Line, {**each, "worst": ()}), worst=worst))
        return replace(from_plain(cls, {**data, "lines": ()}), lines=tuple(lines))

    def _repr_html_(self) -> str:
        """The table that a notebook shows: the line, its source, and what is wrong with it."""
        rows = [
            f"<tr><td>{line.line}</td><td><code>{escape(line.source)}</code></td>"
            f"<td>{escape(line.message)} <small>({escape(line.kind)})</small></td></tr>"
            for line in self.lines
        ]
        if not rows:
            return f"<p>{escape(str(self))}</p>"
        head = "<tr><th>line</th><th>source</th><th>what is wrong</th></tr>"
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>{note}"

    def __str__(self) -> str:
        parts = []
        for file in dict.fromkeys(line.file for line in self.lines):
            mine = [line for line in self.lines if line.file == file]
            wrong = dict.fromkeys(name for line in mine for name in line.tensors)
            parts.append(f"{called(file)} is wrong in {listed(list(wrong))}.\n")
            parts += [f"{block(line)}\n" for line in mine]
        if self.note:
            parts.append(self.note)
        elif self.unplaced:
            parts.append(f"No line was found that alone makes {listed(list(self.unplaced))} wrong.")
        return "\n".join(parts) if parts else "No line is wrong."


def from_plain(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass of texts, whole numbers and tuples of texts from plain data that another process sent.

    Raises `TypeError` or `ValueError` where it is none.
    """
    wanted = {"str": str, "int": int}
    values = {
        each.name: wanted[each.type](data[each.name])
        if each.type in wanted
        else tuple(map(str, data[each.name]))
        for each in fields(kind)
    }
    return kind(**values)


def beside(number: int, source: str, right: str, mark: str = "") -> str:
    """A line of source with its number, and text in a column beside it, or below where the source is long."""
    source = source if len(source) < _WIDTH - _COLUMN // 2 else f"{source[: _WIDTH - _COLUMN // 2]} …"
    left = f"{mark:<2}{number:>4}  {source}"
    rows = textwrap.wrap(right, _WIDTH - _COLUMN)
    first = [left] if len(left) > _COLUMN - 2 or not rows else [left.ljust(_COLUMN) + rows.pop(0)]
    return "\n".join([*first, *(" " * _COLUMN + row for row in rows)])


def block(line: Line) -> str:
    """The number and the source of a line, and beside it what is wrong, some entries and the kind."""
    times = f" First in execution {line.call} of {line.calls}." if line.calls > 1 else ""
    below = [
        f"{f'{list(each.index)}: ' if each.index else ''}got {each.got:.6g}, expected {each.expected:.6g}"
        for each in line.worst
    ]
    rows = [" " * _COLUMN + row for row in (*below, f"({line.kind})")]
    return "\n".join([beside(line.line, line.source, f"{line.message}{times}"), *rows])

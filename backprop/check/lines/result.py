"""The result: the lines that are wrong, in text, as `path:line:col: message`, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from backprop.check.result import Entry

_WIDTH = 100


@dataclass(frozen=True)
class Line:
    """A line of the backward pass that is wrong.

    file, line, column: where; lines count from 1, columns from 0. source: the line. variable: what it assigns, or the
    operation where it assigns nothing. text: the operation that gives the wrong value. call: which execution of the
    line is the first that is wrong, counted from 1; calls: how often the line is executed.
    tensors: the wrong tensors that the truth in its place makes right.
    should_be: what the value is to be, `dL/d(hpre)`; of: the line of the forward pass with that variable, 0 for a
    tensor of the point. message: what is wrong with it, in a sentence or two.
    kind: a name of `KINDS`. evidence: what was seen. worst: got and expected entries, where they were compared.
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

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column + 1}: {self.message} [{self.kind}]"


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

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)

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
        if self.lines:
            for file in dict.fromkeys(line.file for line in self.lines):
                mine = [line for line in self.lines if line.file == file]
                wrong = dict.fromkeys(name for line in mine for name in line.tensors)
                parts.append(f"{Path(file).name} is wrong in {listed(list(wrong))}.\n")
                parts += [block(line) for line in mine]
        elif self.wrong and not self.note:
            parts.append(f"{listed(list(self.wrong))} {'is' if len(self.wrong) == 1 else 'are'} wrong.")
        if self.unplaced and not self.note:
            parts.append(f"No single line was found that makes {listed(list(self.unplaced))} right.")
        if self.note:
            parts.append(self.note)
        return "\n".join(parts) if parts else "No line is wrong."


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(", ".join(names).rsplit(", ", 1))


def block(line: Line) -> str:
    """The number and the source of a line, and what is wrong with it, indented below."""
    body = textwrap.fill(line.message, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    times = f" (first in execution {line.call} of {line.calls})" if line.calls > 1 else ""
    worst = [
        f"{' ' * 8}{list(each.index)}: got {each.got:.6g}, expected {each.expected:.6g}"
        for each in line.worst
    ]
    head = f"  {line.line:>4}  {line.source}{times}"
    return "\n".join([head, body, *worst, f"{' ' * 8}({line.kind})", ""])

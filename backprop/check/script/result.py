"""The result for a script: a verdict for each variable whose gradient it computes, and the lines that are wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from backprop.check.entry import Entry
from backprop.check.lines.result import Line, Lines, block, from_plain
from backprop.check.lines.trace import Step, Trace
from backprop.check.result import COLOURS, Row, Verdict, html_table, small, text_table, wrapped
from backprop.check.words import listed


@dataclass(frozen=True)
class Variable:
    """A variable of the script whose gradient the script computes.

    name, gradient: `h` and what the script calls dL/dh. file, line: where the gradient got its last value; line 0
    where that is not known. error, tolerance: as of a `TensorCheck`. kind: what is wrong with it, a name of `KINDS`,
    else empty. because: the number, from 0, of the line in `lines` that makes it wrong; None where none does alone.
    worst: the entries that are farthest off.
    """

    name: str
    gradient: str
    file: str
    line: int
    verdict: Verdict
    error: float | None
    tolerance: float
    kind: str = ""
    because: int | None = None
    worst: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class ScriptCheck:
    """The result of `backprop.check_script`; `print` shows it as text, a notebook as HTML.

    lines: the lines that are wrong, in the order in which they run. missing: variables that the loss depends on and
    whose gradient is not computed. loss: its value; calls: how often the script ran, from its first variable on.
    printed: what the script printed. steps: the lines of the backward pass, where these were asked for.
    """

    target: str
    verdict: Verdict
    loss_name: str
    loss: float
    variables: tuple[Variable, ...]
    lines: tuple[Line, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    calls: int = 0
    printed: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every gradient that is computed is right."""
        return self.verdict == "right"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> ScriptCheck:
        """The result from the plain data of `to_dict`; raises `TypeError` or `KeyError` for anything else."""
        tuples = {key: tuple(plain[key]) for key in ("missing", "notes")}
        variables = tuple(Variable(**each | {"worst": _entries(each)}) for each in plain["variables"])
        lines = Lines.from_dict(
            {"lines": plain["lines"], "wrong": (), "unplaced": (), "note": "", "calls": 0}
        ).lines
        steps = tuple(from_plain(Step, each) for each in plain["steps"])
        return ScriptCheck(**{**plain, **tuples, "variables": variables, "lines": lines, "steps": steps})

    def __str__(self) -> str:
        parts = [self.headline]
        for file in dict.fromkeys(line.file for line in self.lines):
            parts += [file, *(block(line) for line in self.lines if line.file == file)]
        parts.append(text_table(list(self._rows())))
        parts += [str(Trace(self.steps, Lines(())))] if self.steps else []
        return "\n\n".join([*parts, "\n".join(wrapped(each) for each in self._remarks())])

    def _repr_html_(self) -> str:
        """The headline, the wrong lines, the table of all variables."""
        parts = [f'<p><b style="color: {COLOURS[self.verdict]}">{escape(self.headline)}</b></p>']
        for line in self.lines:
            parts.append(
                f"<p>{escape(line.file)}, line {line.line}: <code>{escape(line.source)}</code><br>"
                f"{escape(line.message)} <small>({escape(line.kind)})</small></p>"
            )
        parts.append(html_table(list(self._rows())))
        parts += [Trace(self.steps, Lines(()))._repr_html_()] if self.steps else []
        parts += [*(f"<p>{escape(each)}</p>" for each in self._remarks())]
        return "<div>" + "".join(parts) + "</div>"

    @property
    def headline(self) -> str:
        """The verdict, in a sentence."""
        count = len(self.variables)
        wrong = sum(each.verdict == "wrong" for each in self.variables)
        if self.verdict == "wrong":
            said = f"wrong in {wrong} of {count} gradients" if wrong else "wrong"
            if self.lines:
                said += f", by {len(self.lines)} line{'s' * (len(self.lines) > 1)}"
            return f"{self.target} is {said}."
        if self.verdict == "right":
            return f"{self.target} is right in {'all ' * (count > 1)}{count} gradient{'s' * (count > 1)}."
        return f"{self.target} is undecided: nothing wrong was found, but not all could be compared."

    def _rows(self) -> Iterator[Row]:
        columns = ("variable", "computed as", "where", "verdict", "error", "because of")
        yield columns if self.verdict == "wrong" else columns[:-1]
        for each in self.variables:
            error = "-" if each.error is None else small(each.error)
            row = (
                each.name,
                each.gradient,
                shown_place(each.file, each.line, self.target),
                each.verdict,
                error,
            )
            because = each.kind
            if each.because is not None:
                line = self.lines[each.because]
                because = shown_place(line.file, line.line, self.target)
            yield (*row, because) if self.verdict == "wrong" else row

    def _remarks(self) -> Iterator[str]:
        if self.missing:
            yield f"Not computed: the gradient by {listed(list(self.missing))}."
        yield from (f"Note: {note}" for note in self.notes)
        yield f"{self.loss_name} is {self.loss:.6g}. The script ran {self.calls} times from its first variable on."


def shown_place(file: str, line: int, target: str) -> str:
    """`line 12`, or `cell 3, line 12`."""
    cell = file.removeprefix(target).removeprefix(", code ")
    return (f"{cell}, " if cell else "") + (f"line {line}" if line else "?")


def _entries(plain: Mapping[str, Any]) -> tuple[Entry, ...]:
    return tuple(Entry(**each | {"index": tuple(each["index"])}) for each in plain["worst"])

"""The result of a check: a verdict per tensor, the worst entries, the evidence, the findings; and how it is printed.

`print(check)` writes the sections of a check as text, a notebook shows the same sections as HTML.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Literal

from backprop.check.entry import Entry
from backprop.check.kinds import Finding
from backprop.check.words import listed, some

if TYPE_CHECKING:
    from backprop.check.lines.result import Lines

Verdict = Literal["right", "wrong", "undecided"]
"""undecided: every entry that can be compared is right, but some cannot be, or truth is less certain than needed."""


def verdict_of(*, wrong: bool, undecided: bool) -> Verdict:
    """The verdict on what has parts: wrong if any of them is, else undecided if any is."""
    return "wrong" if wrong else "undecided" if undecided else "right"


@dataclass(frozen=True)
class TensorCheck:
    """One tensor of the gradient.

    error: ‖g - g*‖ / ‖g*‖ over the entries that were compared; an error up to `tolerance` is rounding.
    compared: how many entries were compared one by one; 0 where random directions alone were enough.
    worst: the entries that are most wrong, the worst first; empty where the tensor is right.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    error: float
    tolerance: float
    compared: int
    worst: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Kink:
    """An entry at which the function has no derivative, or so close to such a point that none can be measured."""

    tensor: str
    index: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class StepCurve:
    """Error of a difference quotient along one direction, against its step: a V where the gradient is right.

    The error of a right gradient falls with the step until rounding; that of a wrong one stays at a level.
    """

    steps: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradient` and of `backprop check`.

    verdict: right, wrong or undecided; `ok` is whether it is right. method: where the truth came from, in words.
    taylor_slope: the slope of |f(x + hv) - f(x) - h g·v| against h in logarithms: 2 for a right gradient of a
    smooth function, 1 for a wrong one; None where it was not measured.
    calls: how often the function was called; gradient_calls: how often the gradient. subject: what was checked, in
    words: a gradient, or the backward pass of a function. lines: which lines of the code are wrong, where they were
    looked for.
    """

    verdict: Verdict
    tensors: tuple[TensorCheck, ...]
    findings: tuple[Finding, ...]
    method: str
    kinks: tuple[Kink, ...] = ()
    step_curve: StepCurve | None = None
    taylor_slope: float | None = None
    calls: int = 0
    gradient_calls: int = 0
    notes: tuple[str, ...] = ()
    subject: str = "gradient"
    lines: Lines | None = None

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.verdict == "right"

    def __str__(self) -> str:
        parts = [_headline(self)]
        for title, table, lines in _sections(self):
            body = [text_table(table)] if table else [wrapped(line) for line in lines]
            parts.append("\n".join([title, *body] if title else body))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f'<p><b style="color: {COLOURS[self.verdict]}">{escape(_headline(self))}</b></p>']
        for title, table, lines in _sections(self):
            parts += [f"<p>{escape(title)}</p>"] if title else []
            if title == "Lines" and self.lines is not None:
                parts.append(self.lines._repr_html_())
                continue
            lines = [_html_line(line, bold=title == "Findings") for line in lines]
            parts += [html_table(table)] if table else [f"<p>{line}</p>" for line in lines]
        return "<div>" + "".join(parts) + "</div>"


_HEADLINES = {
    "right": "right",
    "wrong": "wrong",
    "undecided": "undecided: nothing wrong was found, but not all could be compared",
}
COLOURS = {"right": "#1a7f37", "wrong": "#cf222e", "undecided": "#9a6700"}

_WIDTH = 80
"""Columns that a printed check fills at most: those of the narrowest usual terminal."""
_SHOWN = 8
"""Places that are listed of the entries at kinks of one tensor."""

Row = tuple[str, ...]


def _headline(check: GradientCheck) -> str:
    return f"The {check.subject} is {_HEADLINES[check.verdict]}."


def _sections(check: GradientCheck) -> Iterator[tuple[str, Sequence[Row], Sequence[str]]]:
    """The sections that are printed below the verdict: the title of each, and its table or its lines."""
    yield "", list(_tensor_rows(check)), ()
    entries = list(_entry_rows(check))
    if len(entries) > 1:
        yield "Worst entries", entries, ()
    if check.findings:
        yield "Findings", (), list(_finding_lines(check.findings))
    if check.lines is not None and (check.lines or check.lines.note):
        yield "Lines", (), [f"  {line}" for line in str(check.lines).splitlines()]
    if check.kinks:
        yield "Kinks: no derivative to compare with", (), list(_kink_lines(check))
    if check.step_curve is not None and check.step_curve.steps:
        yield "", (), [_curve_line(check.step_curve, check.taylor_slope)]
    if check.notes:
        yield "", (), [f"Note: {note}" for note in check.notes]
    calls = f"{check.calls} calls of the function, {check.gradient_calls} of the {check.subject}."
    yield "", (), [f"Truth: {check.method}. {calls}"]


def _tensor_rows(check: GradientCheck) -> Iterator[Row]:
    yield "tensor", "shape", "verdict", "error", "tolerance", "compared"
    for one in check.tensors:
        shape = " × ".join(map(str, one.shape)) or "number"
        compared = "along directions"
        if one.compared:
            compared = f"{one.compared} of {math.prod(one.shape)} entries"
        elif one.verdict == "wrong" and not math.isfinite(one.error):
            compared = "nothing"
        yield one.name, shape, one.verdict, small(one.error), small(one.tolerance), compared


def _entry_rows(check: GradientCheck) -> Iterator[Row]:
    yield "entry", "got", "expected", "± at most"
    for one in check.tensors:
        for entry in one.worst:
            place = f"{one.name}[{', '.join(map(str, entry.index))}]" if entry.index else one.name
            sure = "rounding" if entry.uncertainty == 0 else f"{entry.uncertainty:.0e}"
            sure = sure if math.isfinite(entry.uncertainty) else "at a kink"
            yield place, f"{entry.got:.10g}", f"{entry.expected:.10g}", sure


def _finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings; one that several tensors have in the same words is printed once."""
    groups: dict[Finding, list[str]] = {}
    for each in findings:
        groups.setdefault(replace(each, tensor=None), []).append(each.tensor or "")
    for finding, tensors in groups.items():
        names = listed(filter(None, tensors)) if any(tensors) else ""
        yield f"  {names}{': ' if names else ''}{finding.kind} ({finding.confidence})"
        yield f"    {finding.evidence}"
        if finding.fix:
            yield f"    → {finding.fix}"


def _kink_lines(check: GradientCheck) -> Iterator[str]:
    """The entries at kinks by tensor and reason."""
    groups: dict[tuple[str, str], list[Kink]] = {}
    for kink in check.kinks:
        groups.setdefault((kink.tensor, kink.reason), []).append(kink)
    for (tensor, reason), kinks in groups.items():
        places = some((list(kink.index) for kink in kinks), _SHOWN, count=True)
        yield f"  {tensor}{places}: {reason}."


def _curve_line(curve: StepCurve, slope: float | None) -> str:
    """The lowest point of the step curve, and what the Taylor remainder says."""
    error, step = min(zip(curve.errors, curve.steps, strict=True), key=lambda pair: pair[0])
    line = f"Step curve: the error of a central quotient falls to {error:.1e} at the step {step:.1e}"
    if slope is None:
        return f"{line}."
    return f"{line}; the Taylor remainder falls as h^{slope:.2f} (2: right, 1: wrong)."


def small(value: float) -> str:
    """An error as it is printed."""
    return "-" if not math.isfinite(value) else "0" if value == 0 else f"{value:.1e}"


def wrapped(line: str) -> str:
    """A line of at most `_WIDTH` columns a row, each of which keeps its indent."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line.lstrip(), _WIDTH, initial_indent=indent, subsequent_indent=indent)


def text_table(rows: Sequence[Row]) -> str:
    """A table as text; its first row is the head."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _html_line(line: str, *, bold: bool) -> str:
    """A line, escaped, with an em of space for every two of its indent; `bold`: where it is a head."""
    indent = (len(line) - len(line.lstrip())) // 2
    text = escape(line.lstrip())
    return "&emsp;" * indent + (f"<b>{text}</b>" if bold and indent == 1 else text)


def html_table(rows: Sequence[Row]) -> str:
    """The same as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(cell: str) -> str:
    style = f' style="color: {COLOURS[cell]}"' if cell in COLOURS else ""
    return f"<td{style}>{escape(cell)}</td>"

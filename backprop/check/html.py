"""HTML: a check as a notebook shows it, with all that comes from the user escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from backprop.check.result import GradientCheck
from backprop.check.text import HEADLINES, calls_line, curve_line, entry_rows, kink_lines, tensor_rows

_COLOURS = {"right": "#1a7f37", "wrong": "#cf222e", "undecided": "#9a6700"}


def as_html(check: GradientCheck) -> str:
    """A check as tables and lists, without a style sheet or script."""
    colour = _COLOURS[check.verdict]
    parts = [
        f'<p><b style="color: {colour}">{escape(HEADLINES[check.verdict])}</b></p>',
        _table(tensor_rows(check)),
    ]
    entries = entry_rows(check)
    if len(entries) > 1:
        parts += ["<p>Worst entries</p>", _table(entries)]
    if check.findings:
        parts += ["<p>Findings</p>", _list([_finding(check, k) for k in range(len(check.findings))])]
    if check.kinks:
        parts += ["<p>Kinks: no derivative to compare with</p>", _list(map(escape, kink_lines(check)))]
    lines = [f"Note: {note}" for note in check.notes]
    if check.step_curve is not None and check.step_curve.steps:
        lines.insert(0, curve_line(check.step_curve, check.taylor_slope))
    parts += [f"<p>{escape(line)}</p>" for line in [*lines, calls_line(check)]]
    return "<div>" + "".join(parts) + "</div>"


def _finding(check: GradientCheck, number: int) -> str:
    finding = check.findings[number]
    where = f"{escape(finding.tensor)}: " if finding.tensor else ""
    head = f"<b>{where}{escape(finding.kind)}</b> ({escape(finding.confidence)})"
    fix = f"<br>→ {escape(finding.fix)}" if finding.fix else ""
    return f"{head}<br>{escape(finding.evidence)}{fix}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str) -> str:
    style = f' style="color: {_COLOURS[cell]}"' if cell in _COLOURS else ""
    return f"<td{style}>{escape(cell)}</td>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"

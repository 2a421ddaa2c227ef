"""Text: a check as it is printed, the verdict of every tensor first, then where, what kind of mistake, how sure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from backprop.check.kinds import Finding
from backprop.check.result import GradientCheck, Kink, StepCurve

HEADLINES = {
    "right": "The gradient is right.",
    "wrong": "The gradient is wrong.",
    "undecided": "The gradient is undecided: nothing wrong was found, but not all could be compared.",
}
_WIDTH = 100
_KINKS = 8


def as_text(check: GradientCheck) -> str:
    """A check in lines of at most about a hundred characters."""
    parts = [HEADLINES[check.verdict], _table(tensor_rows(check))]
    entries = entry_rows(check)
    if len(entries) > 1:
        parts.append("Worst entries\n" + _table(entries))
    if check.findings:
        parts.append("Findings\n" + "\n".join(_finding(finding) for finding in check.findings))
    if check.kinks:
        parts.append(
            "Kinks: no derivative to compare with\n" + "\n".join(f"  {one}" for one in kink_lines(check))
        )
    if check.step_curve is not None and check.step_curve.steps:
        parts.append(_wrapped(curve_line(check.step_curve, check.taylor_slope), ""))
    if check.notes:
        parts.append("\n".join(_wrapped(f"Note: {note}", "") for note in check.notes))
    parts.append(_wrapped(calls_line(check), ""))
    return "\n\n".join(parts)


def tensor_rows(check: GradientCheck) -> list[tuple[str, ...]]:
    """A head and a row a tensor: name, shape, verdict, error, tolerance, what was compared."""
    rows: list[tuple[str, ...]] = [("tensor", "shape", "verdict", "error", "tolerance", "compared")]
    for one in check.tensors:
        size = math.prod(one.shape)
        compared = f"{one.compared} of {size} entries" if one.compared else "along directions"
        if not math.isfinite(one.error) and not one.compared:
            compared = "nothing" if one.verdict == "wrong" else compared
        rows.append(
            (one.name, _shape(one.shape), one.verdict, _small(one.error), _small(one.tolerance), compared)
        )
    return rows


def entry_rows(check: GradientCheck) -> list[tuple[str, ...]]:
    """A head and a row for each of the worst entries: where, got, expected, and how sure that is."""
    rows: list[tuple[str, ...]] = [("entry", "got", "expected", "± at most")]
    for one in check.tensors:
        for entry in one.worst:
            place = f"{one.name}[{', '.join(map(str, entry.index))}]" if entry.index else one.name
            sure = "rounding" if entry.uncertainty == 0 else f"{entry.uncertainty:.0e}"
            rows.append((place, f"{entry.got:.10g}", f"{entry.expected:.10g}", sure))
    return rows


def kink_lines(check: GradientCheck) -> list[str]:
    """The entries at kinks by tensor and reason, at most a few of each."""
    groups: dict[tuple[str, str], list[Kink]] = {}
    for kink in check.kinks:
        groups.setdefault((kink.tensor, kink.reason), []).append(kink)
    lines = []
    for (tensor, reason), kinks in groups.items():
        places = ", ".join(str(list(kink.index)) for kink in kinks[:_KINKS])
        more = f", … ({len(kinks)} in all)" if len(kinks) > _KINKS else ""
        lines.append(f"{tensor}{places}{more}: {reason}.")
    return lines


def curve_line(curve: StepCurve, slope: float | None) -> str:
    """The step curve in one line, and what the Taylor remainder says."""
    best = min(range(len(curve.errors)), key=lambda k: curve.errors[k])
    line = (
        f"Step curve: the error of a central quotient falls to {curve.errors[best]:.1e} at the step "
        f"{curve.steps[best]:.1e}"
    )
    if slope is None:
        return f"{line}."
    return f"{line}; the Taylor remainder falls as h^{slope:.2f} (2: right, 1: wrong)."


def calls_line(check: GradientCheck) -> str:
    """Where the truth came from and what it cost."""
    return (
        f"Truth: {check.method}. {check.calls} calls of the function, {check.gradient_calls} of the gradient."
    )


def _finding(finding: Finding) -> str:
    where = f"{finding.tensor}: " if finding.tensor else ""
    head = f"  {where}{finding.kind} ({finding.confidence})"
    lines = [head, _wrapped(finding.evidence, "    ")]
    return "\n".join([*lines, _wrapped(f"→ {finding.fix}", "    ")] if finding.fix else lines)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "number"


def _small(value: float) -> str:
    return "-" if not math.isfinite(value) else "0" if value == 0 else f"{value:.1e}"

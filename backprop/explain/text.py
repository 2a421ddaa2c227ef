"""An explanation as plain text: two strategies in two columns, or below each other where the lines are too short."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.numbers import aligned, matrices
from backprop.explain.side_by_side import Row
from backprop.explain.step import Step

_BETWEEN = " │ "


def render_text(explanation: Explanation, width: int | None = None) -> str:
    """The whole explanation; `width` is that of a terminal, None where lines may be of any length."""
    prose = min(width or 100, 100)
    lines = [explanation.title, "", *textwrap.wrap(words.legend(), prose), "", "GIVEN", ""]
    for step in explanation.traces[0].given:
        lines += [f"{step.name}  {words.facts(step)}", *_numbers(step), ""]
    columns = range(len(explanation.traces))
    blocks = [[list(_step(explanation, k, row.steps[k])) for k in columns] for row in explanation.rows]
    widths = [max(len(line) for block in blocks for line in ["", *block[k]]) for k in columns]
    beside = width is None or sum(widths) + len(_BETWEEN) * (len(widths) - 1) <= width
    names = [trace.strategy.upper() for trace in explanation.traces]
    lines += [_joined(names, widths), "─┼─".join("─" * w for w in widths)] if beside else [" / ".join(names)]
    lines.append("")
    for row, block in zip(explanation.rows, blocks, strict=True):
        lines += [*(_beside(block, widths) if beside else _below(explanation, row, block)), ""]
    for trace in explanation.traces:
        lines += textwrap.wrap(f"{trace.strategy}: {words.totals(trace)}.", prose)
    lines += [words.verdict(explanation)]
    return "\n".join(lines).rstrip() + "\n"


def _step(explanation: Explanation, column: int, step: Step | None) -> Iterator[str]:
    if step is None:
        return
    yield f"{step.number}. {words.equation(step)}"
    yield f"   {words.facts(step)}"
    if note := words.avoided_by(explanation, column, step):
        yield f"   {note}"
    yield from _numbers(step)


def _numbers(step: Step) -> Iterator[str]:
    for matrix in matrices(step.array, step.letters):
        yield from (f"   {line}" for line in aligned(matrix))


def _beside(block: list[list[str]], widths: list[int]) -> list[str]:
    return [_joined(list(line), widths) for line in itertools.zip_longest(*block, fillvalue="")]


def _joined(cells: list[str], widths: list[int]) -> str:
    return _BETWEEN.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _below(explanation: Explanation, row: Row, block: list[list[str]]) -> list[str]:
    shown = words.entries(explanation, row)
    if shown[0].who == "both":
        return [f"── {row.name}, both", *block[0]]
    lines = [f"── {row.name}"]
    for entry, part in zip(shown, block, strict=True):
        lines += [entry.who, *part] if part else [f"{entry.who}: not formed"]
    return lines

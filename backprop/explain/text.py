"""An explanation as plain text: two strategies in two columns, or below each other where the lines are too short."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.lineup import Row
from backprop.explain.numbers import aligned, matrices
from backprop.explain.step import Step

_BETWEEN = " │ "


def render_text(explanation: Explanation, width: int | None = None) -> str:
    """The whole explanation; `width` is that of a terminal, None where lines may be of any length."""
    prose = min(width or 100, 100)
    lines = [explanation.title, "", *textwrap.wrap(words.legend(), prose), "", "GIVEN", ""]
    for step in explanation.traces[0].given:
        lines += [f"{step.name}  {words.facts(step)}", *_numbers(step), ""]
    blocks = [_blocks(explanation, row) for row in explanation.rows]
    widths = [
        max((len(line) for block in blocks for line in block[k]), default=0) for k in range(len(blocks[0]))
    ]
    total = sum(widths) + len(_BETWEEN) * (len(widths) - 1)
    beside = width is None or total <= width
    lines += [*_headings(explanation, widths, beside), ""]
    for row, block in zip(explanation.rows, blocks, strict=True):
        lines += [*(_beside(block, widths) if beside else _below(explanation, row, block)), ""]
    for trace in explanation.traces:
        lines += textwrap.wrap(f"{trace.strategy}: {words.totals(trace)}.", prose)
    lines += [words.verdict(explanation)]
    return "\n".join(lines).rstrip() + "\n"


def _headings(explanation: Explanation, widths: list[int], beside: bool) -> list[str]:
    names = [trace.strategy.upper() for trace in explanation.traces]
    if not beside:
        return [" / ".join(names)]
    return [_joined(names, widths), "─┼─".join("─" * width for width in widths)]


def _blocks(explanation: Explanation, row: Row) -> list[list[str]]:
    return [
        [] if step is None else list(_step(explanation, column, step))
        for column, step in enumerate(row.steps)
    ]


def _step(explanation: Explanation, column: int, step: Step) -> Iterator[str]:
    yield f"{step.number}. {words.equation(step)}"
    yield f"   {words.facts(step)}"
    if note := words.removed_by(explanation, column, step):
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
    if words.same(row.steps):
        return [f"── {row.name}, both", *block[0]]
    lines = [f"── {row.name}"]
    for trace, part in zip(explanation.traces, block, strict=True):
        lines += [trace.strategy, *part] if part else [f"{trace.strategy}: not formed"]
    return lines

"""An explanation as plain text: two strategies in two columns, or below each other where the lines are too short."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.numbers import aligned, matrices
from backprop.explain.step import Row, Step

_BETWEEN = " │ "
_INDENT = "   "
_PROSE = 72  # characters: sentences in a column are folded, so that two columns fit into more windows


def render_text(explanation: Explanation, width: int | None = None) -> str:
    """The whole explanation, totals first; `width` is that of a terminal, None where lines may be of any length."""
    columns = _in_columns(explanation, width)
    shown = columns if columns is not None else _below_each_other(explanation, width)
    lines = [*_top(explanation, width), *_given(explanation, width), *shown]
    return "\n".join(lines).rstrip() + "\n"


def _top(explanation: Explanation, width: int | None) -> Iterator[str]:
    """The answer, and how to read the rest."""
    prose = min(width or 100, 100)
    yield from textwrap.wrap(words.answer(explanation), prose)
    yield ""
    for trace in explanation.traces:
        yield from textwrap.wrap(f"{trace.strategy}: {words.totals(trace)}.", prose)
    if said := words.verdict(explanation):
        yield from textwrap.wrap(said, prose)
    for part in (explanation.origin, words.legend(explanation.network), words.ORDER):
        if part:
            yield from ("", *textwrap.wrap(part, prose))
    yield ""


def _given(explanation: Explanation, width: int | None) -> Iterator[str]:
    yield from ("GIVEN", "")
    for step in explanation.traces[0].given:
        yield from textwrap.wrap(f"{step.name}  {words.facts(step)}", width or 100, subsequent_indent=_INDENT)
        yield from (*_numbers(step, width), "")


def _in_columns(explanation: Explanation, width: int | None) -> list[str] | None:
    """The rows, a column for each strategy; None where that is wider than the terminal.

    A row's number stands before the first column.
    """
    traces = explanation.traces
    blocks = [
        [list(_step(step, note, _PROSE)) for _, step, note in _cells(explanation, row)]
        for row in explanation.rows
    ]
    widths = [
        max(len(line) for line in [traces[k].strategy, *itertools.chain(*(block[k] for block in blocks))])
        for k in range(len(traces))
    ]
    indent = len(f"{len(blocks)}. ")
    if width is not None and indent + sum(widths) + len(_BETWEEN) * (len(widths) - 1) > width:
        return None
    names = _joined([trace.strategy.upper() for trace in traces], widths)
    lines = [" " * indent + names, "─" * indent + "─┼─".join("─" * w for w in widths), ""]
    for row, block in zip(explanation.rows, blocks, strict=True):
        first, *rest = (_joined(list(line), widths) for line in itertools.zip_longest(*block, fillvalue=""))
        lines += [f"{row.number}. ".rjust(indent) + first, *(" " * indent + line for line in rest), ""]
    return lines


def _cells(explanation: Explanation, row: Row) -> list[words.Entry]:
    """An entry for each strategy, also where both take the step in the same way."""
    shown = words.entries(explanation, row)
    return shown if len(shown) == len(explanation.traces) else shown * len(explanation.traces)


def _joined(cells: list[str], widths: list[int]) -> str:
    return _BETWEEN.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _below_each_other(explanation: Explanation, width: int | None) -> Iterator[str]:
    prose = min(width or 100, 100) - len(_INDENT)
    yield from textwrap.wrap(" / ".join(trace.strategy.upper() for trace in explanation.traces), prose)
    yield ""
    for row in explanation.rows:
        yield f"── {row.number}. {row.name}"
        for who, step, note in words.entries(explanation, row):
            if len(explanation.traces) > 1:
                yield f"{who}:" if step is not None else f"{who}: not formed"
            if step is not None:
                yield from (f"{_INDENT}{line}" for line in _step(step, note, prose, width))
        yield ""


def _step(step: Step | None, note: str, prose: int, width: int | None = None) -> Iterator[str]:
    if step is None:
        yield "not formed"
        return
    for line in (words.equation(step), words.facts(step), note):
        if line:
            yield from textwrap.wrap(line, prose)
    yield from _numbers(step, width)


def _numbers(step: Step, width: int | None) -> Iterator[str]:
    room = None if width is None else width - 2 * len(_INDENT)
    for matrix in matrices(step.array, step.letters):
        yield from (f"{_INDENT}{line}" for line in aligned(matrix, room))

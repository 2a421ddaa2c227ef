"""An explanation as Markdown: a section a quantity, numbers in code blocks, a table of sizes at the end."""

from __future__ import annotations

from collections.abc import Iterator

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.lineup import Row
from backprop.explain.numbers import aligned, bytes_text, matrices
from backprop.explain.step import Step


def render_markdown(explanation: Explanation) -> str:
    """The whole explanation."""
    names = " and ".join(_code(trace.strategy) for trace in explanation.traces)
    parts = [f"# Every matrix of {names}", f"{explanation.title}.", words.legend(), "## Given"]
    for step in explanation.traces[0].given:
        parts += [f"{_code(step.name)}, {words.facts(step)}", _numbers(step)]
    for row in explanation.rows:
        parts += [f"## {row.name}", *_row(explanation, row)]
    parts += ["## What was formed", _table(explanation), words.verdict(explanation)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(explanation: Explanation, row: Row) -> Iterator[str]:
    if words.same(row.steps):
        yield from _step(explanation, 0, row.steps[0], "both")
        return
    for column, (trace, step) in enumerate(zip(explanation.traces, row.steps, strict=True)):
        yield from _step(explanation, column, step, _code(trace.strategy))


def _step(explanation: Explanation, column: int, step: Step | None, who: str) -> Iterator[str]:
    if step is None:
        yield f"**{who}**: not formed."
        return
    yield f"**{who}**, step {step.number}: {_code(words.equation(step))}"
    note = words.removed_by(explanation, column, step)
    yield words.facts(step) + (f"; *{note}*" if note else "")
    yield _numbers(step)


def _numbers(step: Step) -> str:
    lines = [line for matrix in matrices(step.array, step.letters) for line in aligned(matrix)]
    return "\n".join(["```text", *lines, "```"])


def _table(explanation: Explanation) -> str:
    lines = ["| strategy | steps | numbers | memory | largest |", "| :-- | --: | --: | --: | :-- |"]
    for trace in explanation.traces:
        largest = max(trace.steps, key=lambda step: step.array.size)
        size = bytes_text(sum(step.bytes for step in trace.steps))
        strategy = _code(trace.strategy).replace("|", "\\|")
        lines.append(
            f"| {strategy} | {len(trace.steps)} | {trace.numbers:,} | {size} | "
            f"{largest.name}, {largest.array.size} |"
        )
    return "\n".join(lines)


def _code(text: str) -> str:
    """The text as code, whatever backticks it holds."""
    ticks = "`" * (1 + max((len(run) for run in _runs(text)), default=0))
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _runs(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]

"""An explanation as Markdown: a table of totals, then a section a quantity, with the numbers in code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backprop.explain import words
from backprop.explain.explanation import Explanation
from backprop.explain.numbers import aligned, matrices
from backprop.explain.step import Step


def render_markdown(explanation: Explanation) -> str:
    """The whole explanation, its totals first."""
    names = " and ".join(_code(trace.strategy) for trace in explanation.traces)
    parts = [f"# Every matrix of {names}", f"{words.answer(explanation)}.", _table(explanation)]
    parts += [words.verdict(explanation), explanation.origin, words.legend(explanation.network), words.ORDER]
    parts.append("## Given")
    for step in explanation.traces[0].given:
        parts += [f"{_code(step.name)}, {words.facts(step)}", _numbers(step)]
    for row in explanation.rows:
        parts.append(f"## {row.number}. {row.name}")
        for entry in words.entries(explanation, row):
            parts += _entry(entry)
    return "\n\n".join(part for part in parts if part) + "\n"


def _entry(entry: words.Entry) -> Iterator[str]:
    who = entry.who if entry.who == "both" else _code(entry.who)
    step = entry.step
    if step is None:
        yield f"**{who}**: not formed."
        return
    yield f"**{who}**: {_code(words.equation(step))}"
    yield words.facts(step) + (f"; *{entry.note}*" if entry.note else "")
    yield _numbers(step)


def _numbers(step: Step) -> str:
    lines = [line for matrix in matrices(step.array, step.letters) for line in aligned(matrix)]
    return "\n".join(["```text", *lines, "```"])


def _table(explanation: Explanation) -> str:
    lines = ["| strategy | numbers | steps | memory | largest step |", "| :-- | --: | --: | --: | :-- |"]
    for trace in explanation.traces:
        largest, strategy = words.largest(trace), _code(trace.strategy).replace("|", "\\|")
        lines.append(
            f"| {strategy} | {trace.numbers:,} | {len(trace.steps)} | {words.memory(trace)} | "
            f"{largest.name}, {largest.array.size} numbers |"
        )
    return "\n".join(lines)


def _code(text: str) -> str:
    """The text as code, whatever backticks it holds."""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"

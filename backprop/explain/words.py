"""What every rendering says in the same words: about a step, a row of steps, a strategy, and the whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backprop.explain.explanation import Explanation
from backprop.explain.numbers import bytes_text
from backprop.explain.side_by_side import Row
from backprop.explain.step import Step, Trace
from backprop.legend import LEGEND


class Entry(NamedTuple):
    """A step in a row, or None where the strategy does not form it; who takes it; and what avoids it, or ""."""

    who: str
    step: Step | None
    note: str


def entries(explanation: Explanation, row: Row) -> list[Entry]:
    """What stands in a row: an entry for each strategy, or one of "both" where they take the step in the same way."""
    if _same(row.steps):
        return [Entry("both", row.steps[0], avoided_by(explanation, 0, row.steps[0]))]
    return [
        Entry(trace.strategy, step, avoided_by(explanation, column, step))
        for column, (trace, step) in enumerate(zip(explanation.traces, row.steps, strict=True))
    ]


def equation(step: Step) -> str:
    """The step's name and formula: z₁[n,o] = Σi x[n,i] W₁[i,o] + b₁[o]; or that the formula is not known."""
    if step.formula:
        return f"{step.name} = {step.formula}"
    return f"{step.name}: the formula of {step.layer} is not known here" if step.layer else step.name


def facts(step: Step) -> str:
    """Shape, size and zeros: (n, o, i) = 2 × 4 × 3, 24 numbers, 192 B, 67% zero."""
    parts = [f"{step.array.size} number{'s' if step.array.size != 1 else ''}", bytes_text(step.array.nbytes)]
    if step.array.ndim:
        parts.insert(0, f"{step.shape_letters} = {step.shape_numbers}")
    if step.zeros:
        parts.append(f"{step.zeros:.0%} zero")
    return ", ".join(parts)


def avoided_by(explanation: Explanation, column: int, step: Step | None) -> str:
    """Which strategy avoids the step, and how; "" where none does."""
    shortcut = None if step is None else explanation.shortcut(column, step)
    if step is None or shortcut is None:
        return ""
    what = "matrix" if step.array.ndim > 1 else "step"
    return f"{shortcut.strategy} avoids this {what}" + (f": {shortcut.reason}" if shortcut.reason else "")


def _same(steps: tuple[Step | None, ...]) -> bool:
    """Whether two strategies take a step in the same way, up to rounding."""
    first, *rest = steps
    return bool(rest) and all(
        first is not None
        and step is not None
        and first.formula == step.formula
        and first.letters == step.letters
        and first.array.shape == step.array.shape
        and np.allclose(first.array, step.array, rtol=1e-5, atol=1e-7)
        for step in rest
    )


def largest(trace: Trace) -> Step:
    """The step with the most numbers."""
    return max(trace.steps, key=lambda step: step.array.size)


def memory(trace: Trace) -> str:
    """The memory of all steps together."""
    return bytes_text(sum(step.array.nbytes for step in trace.steps))


def totals(trace: Trace) -> str:
    """What a strategy forms in all."""
    zeros = sum(step.zeros * step.array.size for step in trace.steps) / trace.numbers
    step = largest(trace)
    return (
        f"{len(trace.steps)} steps, {trace.numbers:,} numbers, {memory(trace)}, {zeros:.0%} of them zero; "
        f"the largest is {step.name} with {step.array.size}"
    )


def verdict(explanation: Explanation) -> str:
    """Whether both ways lead to the same gradient; "" for one strategy."""
    if explanation.difference is None:
        return ""
    return f"Largest difference between the two gradients: {explanation.difference:.1e}."


def letters() -> str:
    """What the letters mean."""
    axes = "; ".join(f"{letter}: {meaning}" for letter, meaning in LEGEND.items() if letter != "p")
    return (
        f"{axes}. t: the labels, one-hot. ℓ: the loss of one sample. L: the mean of ℓ over n, so ∂L is the sum of ∂ℓ "
        "divided by n. δ[o,i]: 1 where o = i, else 0."
    )


def legend() -> str:
    """What the letters and a dot mean."""
    return f"{letters()} A dot is a number that is exactly zero."

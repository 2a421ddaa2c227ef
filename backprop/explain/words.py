"""What every rendering says in the same words: about a step, a strategy, and the whole."""

from __future__ import annotations

import numpy as np

from backprop.explain.explanation import Explanation
from backprop.explain.numbers import bytes_text
from backprop.explain.step import Step, Trace
from backprop.legend import LEGEND


def equation(step: Step) -> str:
    """The step's name and formula: z₁[n,o] = Σi x[n,i] W₁[i,o] + b₁[o]; or that the formula is not known."""
    if step.formula:
        return f"{step.name} = {step.formula}"
    return f"{step.name}: the formula of {step.layer} is not known here" if step.layer else step.name


def facts(step: Step) -> str:
    """Shape, size and zeros: (n, o, i) = 2 × 4 × 3, 24 numbers, 192 B, 67% zero."""
    parts = [f"{step.array.size} number{'s' if step.array.size != 1 else ''}", bytes_text(step.bytes)]
    if step.array.ndim:
        parts.insert(0, f"{step.shape_letters} = {step.shape_numbers}")
    if step.zeros:
        parts.append(f"{step.zeros:.0%} zero")
    return ", ".join(parts)


def removed_by(explanation: Explanation, column: int, step: Step) -> str:
    """Which later shortcut removes the step; "" where none does."""
    shortcut = explanation.shortcut(column, step)
    if shortcut is None:
        return ""
    return f"gone in {shortcut.strategy}" + (f": {shortcut.reason}" if shortcut.reason else "")


def same(steps: tuple[Step | None, ...]) -> bool:
    """Whether two strategies do a step in the same way, up to rounding, so that it is shown once."""
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


def totals(trace: Trace) -> str:
    """What a strategy forms in all."""
    largest = max(trace.steps, key=lambda step: step.array.size)
    zeros = sum(step.zeros * step.array.size for step in trace.steps) / trace.numbers
    size = bytes_text(sum(step.bytes for step in trace.steps))
    return (
        f"{len(trace.steps)} steps, {trace.numbers:,} numbers, {size}, {zeros:.0%} of them zero; "
        f"the largest is {largest.name} with {largest.array.size}"
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
        f"{axes}. t: the labels, one-hot. L: the loss, the mean over n; ℓ: that of one sample, "
        "whose gradient stands beside that of L, 1/n of it. δ[o,i]: 1 where o = i, else 0."
    )


def legend() -> str:
    """The letters, and what else is written."""
    return f"{letters()} A dot is a number that is exactly zero."

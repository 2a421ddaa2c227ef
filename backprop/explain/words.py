"""What every rendering says in the same words: about a step, a row of steps, a strategy, and the whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backprop import units
from backprop.explain.explanation import Explanation
from backprop.explain.step import Row, Step, Trace
from backprop.legend import IMAGES, LEGEND, TOKENS
from backprop.network import Network

ORDER = "Steps are numbered in the order of reading: forward to the loss L, then back to the first layer."


class Entry(NamedTuple):
    """A step in a row, or None where the strategy does not form it; whose step it is; and a remark on it, or ""."""

    who: str
    step: Step | None
    note: str


def entries(explanation: Explanation, row: Row) -> list[Entry]:
    """What stands in a row: an entry for each strategy, or one of "both" where they take the step in the same way."""
    if _same(row.steps):
        return [Entry("both", row.steps[0], _note(explanation, 0, row.steps[0]))]
    return [
        Entry(trace.strategy, step, _note(explanation, column, step))
        for column, (trace, step) in enumerate(zip(explanation.traces, row.steps, strict=True))
    ]


def equation(step: Step) -> str:
    """The step's name and formula: z₁ = Σi x[n,i] W₁[i,o] + b₁[o]; or that the formula is not known."""
    if step.formula:
        return f"{step.name} = {step.formula}"
    return f"{step.name}: the formula of {step.layer} is not known here" if step.layer else step.name


def facts(step: Step) -> str:
    """Shape, size and zeros: shape (n, o, i) = 2 × 4 × 3, 24 numbers, 192 B, 67% zero."""
    parts = [
        f"{step.array.size} number{'s' if step.array.size != 1 else ''}",
        units.data_size(step.array.nbytes),
    ]
    if step.array.ndim:
        parts.insert(0, f"shape {step.shape_letters} = {step.shape_numbers}")
    if step.zeros:
        parts.append(f"{step.zeros:.0%} zero")
    if step.kind == "factor" and not (step.letters.startswith("no") and len(step.letters) > 2):
        parts.append("without the axes along which it only repeats or is zero")
    return ", ".join(parts)


def _note(explanation: Explanation, column: int, step: Step | None) -> str:
    """Which strategy avoids the step, and how; of a step that is only drawn, that it is; "" of any other."""
    if step is None:
        return ""
    if step.kind == "drawn":
        strategy = explanation.traces[column].strategy
        return f"drawn to be compared, {strategy} does not form it: ∂L is 1/n of ∂ℓ"
    shortcut = explanation.shortcut(column, step)
    if shortcut is None:
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
    return units.data_size(sum(step.array.nbytes for step in trace.steps))


def answer(explanation: Explanation) -> str:
    """The totals in one line: 353 numbers against 67: full-jacobian and short-form on 3-4-2 …"""
    numbers = " numbers against ".join(f"{trace.numbers:,}" for trace in explanation.traces)
    strategies = " and ".join(trace.strategy for trace in explanation.traces)
    one = "" if len(explanation.traces) > 1 else " numbers"
    return f"{numbers}{one}: {strategies} on {explanation.title}"


def totals(trace: Trace) -> str:
    """What a strategy forms in all."""
    zeros = sum(step.zeros * step.array.size for step in trace.steps) / trace.numbers
    step = largest(trace)
    return (
        f"{trace.numbers:,} numbers, {zeros:.0%} of them zero, in {len(trace.steps)} steps, {memory(trace)}; "
        f"largest step: {step.name}, {step.array.size:,} numbers"
    )


def verdict(explanation: Explanation) -> str:
    """Whether both ways lead to the same gradient; "" for one strategy."""
    if explanation.difference is None:
        return ""
    return f"Largest difference between the two gradients: {explanation.difference:.1e}."


def letters(network: Network | None = None) -> str:
    """What the letters mean; with those of images, and of tokens, where the network has some."""
    known = {letter: meaning for letter, meaning in LEGEND.items() if letter != "p"}
    for axes_of_a_sample, more in ((3, IMAGES), (2, TOKENS)):
        if network is not None and any(len(shape) == axes_of_a_sample for shape in network.shapes):
            known |= more
    axes = "; ".join(f"{letter}: {meaning}" for letter, meaning in known.items())
    return (
        f"{axes}; o′: a second index over the same axis as o. t: the labels, one-hot: t[n,c] is 1 where c is the "
        "label of sample n, else 0. ℓ: the loss of one sample. L: the mean of ℓ over n, so ∂L is the sum of ∂ℓ "
        "divided by n. δ[o,i]: 1 where o = i, else 0. [z > 0]: 1 where z > 0, else 0. Σi: the sum over i."
    )


def legend(network: Network | None = None) -> str:
    """What the letters and a dot mean."""
    return f"{letters(network)} A dot is a number that is exactly zero."

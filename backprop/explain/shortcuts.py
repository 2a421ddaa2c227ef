"""Which later shortcut removes a matrix: the first rung of the ladder from which on nothing forms it any more.

That is read from the traces of the rungs themselves; only the reason in words is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from backprop.explain.lineup import line_of
from backprop.explain.names import SAMPLE_LOSS
from backprop.explain.step import Step, Trace

LADDER = ("full-jacobian", "batched-jacobian", "layerwise-vjp", "short-form")
"""The rungs that can be explained, from the largest matrices to none."""


class Shortcut(NamedTuple):
    """The strategy that needs the matrix no more, and how it does without; no strategy where all form it."""

    strategy: str
    reason: str


def shortcut_of(trace: Trace, step: Step, ladder: Sequence[Trace]) -> Shortcut | None:
    """What removes a step of `trace`; None where the last rung forms it too, in as many numbers."""
    family = [k for k, rung in enumerate(ladder) if trace.strategy.startswith(rung.strategy)]
    first = max(family, default=0)
    forming = [k for k in range(first, len(ladder)) if _forms(ladder[k], step)]
    removed_at = max([first, *forming]) + 1
    if removed_at >= len(ladder):
        return None
    strategy = ladder[removed_at].strategy
    return Shortcut(strategy, _reason(trace, step, strategy))


def _forms(trace: Trace, step: Step) -> bool:
    line = line_of(trace.names, step)
    return any(
        line_of(trace.names, other) == line and other.array.size >= step.array.size for other in trace.steps
    )


def _reason(trace: Trace, step: Step, strategy: str) -> str:
    for applies, reason in _reasons(trace, step):
        if applies:
            return _REASONS.get((reason, strategy), "")
    return ""


def _reasons(trace: Trace, step: Step) -> Iterable[tuple[bool, str]]:
    names = trace.names
    if isinstance(step.quantity, str):
        yield step.quantity == names.outputs, "outputs"
        yield step.quantity == SAMPLE_LOSS, "sample loss"
        return
    of, by = step.quantity
    yield of == SAMPLE_LOSS and names.is_parameter(by), "sample gradient"
    yield step.kind == "jacobian" and names.is_parameter(by), "parameter jacobian"
    if step.kind in ("jacobian", "factor"):
        yield step.layer == "linear", "linear jacobian"
        yield step.layer == "softmax", "softmax jacobian"
        yield _is_diagonal(step), "diagonal jacobian"
        return
    yield by == "x", "first input"
    yield by == names.outputs, "loss by outputs"
    yield of == names.outputs, "outputs by something"
    yield True, "inner product"


def _is_diagonal(step: Step) -> bool:
    """Whether a local Jacobian is zero, or left out, off its diagonal."""
    if step.letters != "noi":
        return step.letters == "no"
    array = step.array
    return array.shape[1] == array.shape[2] and not np.any(array[:, ~np.eye(array.shape[1], dtype=bool)])


_REASONS = {
    ("outputs", "short-form"): "p is formed inside of p - t",
    ("sample loss", "batched-jacobian"): "all samples at once",
    ("sample gradient", "batched-jacobian"): "the sum over n is part of the contraction",
    ("parameter jacobian", "batched-jacobian"): "δ[o,o′] is left out: two operands share the axis o",
    ("parameter jacobian", "layerwise-vjp"): "multiplied with ∂L/∂y before it is formed",
    ("linear jacobian", "batched-jacobian"): "W once, not once for every sample",
    ("linear jacobian", "layerwise-vjp"): "multiplied with ∂L/∂y before it is formed",
    ("diagonal jacobian", "batched-jacobian"): "δ[o,i] is left out: only the diagonal is kept",
    ("diagonal jacobian", "layerwise-vjp"): "∂L/∂y is multiplied element by element",
    ("softmax jacobian", "layerwise-vjp"): "p ∘ (dp - Σ p dp) needs no matrix",
    ("first input", "short-form"): "nobody needs it",
    ("loss by outputs", "short-form"): "-1/p cancels against the p of the softmax: p - t",
    (
        "inner product",
        "batched-jacobian",
    ): "the chain starts from the outputs: no product between inner values",
    ("outputs by something", "layerwise-vjp"): "from the left there is one row, that of L, instead of c",
}

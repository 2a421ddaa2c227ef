"""Which strategy avoids a matrix: the first rung of the ladder from which on no rung forms it any more.

That is read from the traces of the rungs themselves. How a strategy avoids a kind of matrix is said in the strategy's
own file (`Strategy.shortcuts`). The kinds:

    outputs, sample loss   the values p and ℓ
    sample gradient        ∂ℓ/∂θ of every sample
    parameter jacobian     ∂y/∂θ of a layer, dense
    <layer> jacobian       ∂y/∂x of a layer of that name; where nothing is said of it and it is diagonal,
    diagonal jacobian      ∂y/∂x of a layer that acts on each element alone; where nothing is said of that either,
    jacobian               ∂y/∂x of any layer
    first input            products of the chain by x
    loss by outputs        ∂L/∂p
    outputs by something   ∂p/∂y of an inner value
    inner product          any other product of the chain
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backprop.explain.names import LOSS, SAMPLE_LOSS, Names
from backprop.explain.step import Derivative, Quantity, Step, Trace
from backprop.registry import ladder


class Shortcut(NamedTuple):
    """The strategy that avoids the matrix, and how; the reason is "" where the strategy's file gives none."""

    strategy: str
    reason: str


def shortcut_of(trace: Trace, step: Step, rungs: Sequence[Trace]) -> Shortcut | None:
    """What avoids a step of `trace`; None where the last rung forms it too, in as many numbers."""
    first = max((k for k, rung in enumerate(rungs) if rung.kind is trace.kind), default=0)
    forming = [k for k in range(first, len(rungs)) if _forms(rungs[k], step)]
    avoided_at = max([first, *forming]) + 1
    if avoided_at >= len(rungs):
        return None
    name = rungs[avoided_at].strategy
    known = ladder()[name].shortcuts or {}
    return Shortcut(name, next((known[kind] for kind in _kinds(trace.names, step) if kind in known), ""))


def _forms(trace: Trace, step: Step) -> bool:
    """Whether a rung forms the step's quantity, in as many numbers; ∂L/∂z stands for ∂ℓ/∂z, which is n times it."""
    wanted = _up_to_n(trace.names, step.quantity)
    return any(
        _up_to_n(trace.names, other.quantity) == wanted and other.array.size >= step.array.size
        for other in trace.steps
    )


def _up_to_n(names: Names, quantity: Quantity) -> Quantity:
    """∂L/∂z for ∂ℓ/∂z of a value z. ∂ℓ/∂W stays: the sum over n makes ∂L/∂W of it, in fewer numbers."""
    if isinstance(quantity, str) or quantity.of != SAMPLE_LOSS or names.is_parameter(quantity.by):
        return quantity
    return Derivative(LOSS, quantity.by)


def _kinds(names: Names, step: Step) -> tuple[str, ...]:
    """The kinds of a step; what is said of the first that is known holds."""
    if isinstance(step.quantity, str):
        return {names.outputs: ("outputs",), SAMPLE_LOSS: ("sample loss",)}.get(step.quantity, ())
    of, by = step.quantity
    if of == SAMPLE_LOSS and names.is_parameter(by):
        return ("sample gradient",)
    if step.kind in ("jacobian", "factor"):
        if names.is_parameter(by):
            return ("parameter jacobian",)
        diagonal = ("diagonal jacobian",) if _is_diagonal(step) else ()
        return (f"{step.layer} jacobian", *diagonal, "jacobian")
    if by == "x":
        return ("first input",)
    if by == names.outputs:
        return ("loss by outputs",)
    return ("outputs by something",) if of == names.outputs else ("inner product",)


def _is_diagonal(step: Step) -> bool:
    """Whether a local Jacobian is zero, or left out, off its diagonal."""
    if step.letters != "noi":
        return step.letters == "no"
    array = step.array
    return array.shape[1] == array.shape[2] and not np.any(array[:, ~np.eye(array.shape[1], dtype=bool)])

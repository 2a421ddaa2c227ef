"""Two traces side by side, lined up where they compute the same quantity, and numbered in the order of reading."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from backprop.explain.names import LOSS, SAMPLE_LOSS, Names
from backprop.explain.step import Derivative, Quantity, Step, Trace


class Row(NamedTuple):
    """One quantity: its number in the order of reading, from 1; its name; the step that forms it in each trace."""

    number: int
    name: str
    steps: tuple[Step | None, ...]


def line_up(*traces: Trace) -> list[Row]:
    """The quantities of all traces, forward first, then from the last layer back to the first.

    A trace that forms a quantity twice, in two kinds, has two rows of it; one that does not form it has None. Where
    one trace goes back with ∂L/∂z and another with ∂ℓ/∂z, the step between them, ∂L/∂z = 1/n ∂ℓ/∂z, is drawn: the two
    could not be compared without it.
    """
    names = traces[0].names
    rows: dict[
        tuple[Quantity, int], list[Step | None]
    ] = {}  # by quantity, and how often the trace formed it before
    for k, trace in enumerate(traces):
        times: dict[Quantity, int] = {}
        for step in trace.steps:
            times[step.quantity] = times.get(step.quantity, -1) + 1
            rows.setdefault((step.quantity, times[step.quantity]), [None] * len(traces))[k] = step
    for (quantity, _), steps in rows.items():
        for k, trace in enumerate(traces):
            steps[k] = steps[k] or _drawn(trace, quantity)
    ordered = sorted(rows, key=lambda key: (*_place(names, key[0]), key[1]))
    return [Row(number, str(key[0]), tuple(rows[key])) for number, key in enumerate(ordered, 1)]


def _drawn(trace: Trace, quantity: Quantity) -> Step | None:
    """∂L/∂z = 1/n ∂ℓ/∂z of a value z, of a trace that forms ∂ℓ/∂z alone; None for every other quantity."""
    if isinstance(quantity, str) or quantity.of != LOSS or trace.names.is_parameter(quantity.by):
        return None
    of_samples = Derivative(SAMPLE_LOSS, quantity.by)
    formed = next((step for step in trace.steps if step.quantity == of_samples), None)
    if formed is None or any(step.quantity == quantity for step in trace.steps):
        return None
    text = f"1/n {formed.name}[{','.join(formed.letters)}]"
    mean = formed.array / len(formed.array)
    return replace(formed, quantity=quantity, kind="drawn", layer="", formula=text, array=mean)


def _place(names: Names, quantity: Quantity) -> tuple[int, ...]:
    """Where a quantity stands: forward by layer; backward by layer, local derivatives before products.

    A value inside a layer stands before the parameters that enter there, and they before the layer's inputs.
    """
    if isinstance(quantity, str):
        return (0, names.values.index(quantity) if quantity in names.values else len(names.values))
    of, by = quantity
    layer = names.layer_of(by)
    local = of in names.values[layer + 1 : layer + 2] or any(of in inside.values() for inside in names.inner)
    kind = 1 if names.is_parameter(by) else 2 if by in names.values else 0
    return (1, -layer, kind, by.startswith("b"), 0 if local else 2 if of == LOSS else 1)

"""Two traces side by side, lined up where they compute the same quantity."""

from __future__ import annotations

from typing import NamedTuple

from backprop.explain.names import LOSS, SAMPLE_LOSS, Names
from backprop.explain.step import Step, Trace


class Row(NamedTuple):
    """One quantity: the steps that form it, in each trace, and the name that they share."""

    name: str
    steps: tuple[Step | None, ...]


Key = tuple[str, str]


def line_up(*traces: Trace) -> list[Row]:
    """The quantities of all traces, forward first, then from the last layer back to the first.

    A trace that forms a quantity twice, in two kinds, has two rows of it; one that does not form it has None.
    """
    names = traces[0].names
    rows: dict[tuple[Key, int], list[Step | None]] = {}  # by key, and how often the trace formed it before
    for k, trace in enumerate(traces):
        times: dict[Key, int] = {}
        for step in trace.steps:
            key = line_of(names, step)
            times[key] = times.get(key, -1) + 1
            rows.setdefault((key, times[key]), [None] * len(traces))[k] = step
    ordered = sorted(rows, key=lambda key: (*_place(names, key[0]), key[1]))
    return [Row(_title(rows[key]), tuple(rows[key])) for key in ordered]


def line_of(names: Names, step: Step) -> Key:
    """What a step is lined up by: ∂ℓ/∂z of the samples stands in one line with ∂L/∂z, which is ∂ℓ/∂z divided by n.

    ∂ℓ/∂W of the samples has a line of its own: ∂L/∂W is the sum of ∂ℓ/∂W over n, divided by n.
    """
    if isinstance(step.quantity, str):
        return ("", step.quantity)
    of, by = step.quantity
    return (LOSS if of == SAMPLE_LOSS and not names.is_parameter(by) else of, by)


def _title(steps: list[Step | None]) -> str:
    return next(step.name for step in reversed(steps) if step is not None)


def _place(names: Names, key: Key) -> tuple[int, ...]:
    """Where a quantity stands: forward by layer; backward by layer, local derivatives before products."""
    of, by = key
    if not of:
        return (0, names.values.index(by) if by in names.values else len(names.values))
    layer = names.layer_of(by)
    local = of in names.values and names.values.index(of) == layer + 1
    return (1, -layer, not names.is_parameter(by), by.startswith("b"), 0 if local else 2 if of == LOSS else 1)

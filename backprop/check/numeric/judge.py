"""Judge: a verdict for every tensor from what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.forms.tensors import Form
from backprop.check.numeric.entries import Table
from backprop.check.numeric.large import Part
from backprop.check.numeric.reading import Reading
from backprop.check.numeric.truth import Truth
from backprop.check.result import Entry, Kink, TensorCheck, Verdict
from backprop.check.signatures.known import Known

_WORST = 5
_KINKS = 1000


@dataclass(frozen=True)
class Judged:
    """A tensor with its verdict, what is known of its truth, and its kinks. note: for the reader, or empty."""

    check: TensorCheck
    known: Known | None
    kinks: tuple[Kink, ...]
    note: str = ""


def judge_entries(name: str, form: Form, truth: Truth, table: Table, outputs: tuple[int, ...]) -> Judged:
    """By its entries, all of which were to be compared."""
    places = form.views(np.arange(form.size))[name].reshape(-1)
    shape = outputs + form.leaf(name).shape
    got, expected = truth.claimed[:, places], table.expected[:, places]
    tolerance, wrong = table.tolerance[:, places], table.wrong[:, places]
    use = np.isfinite(tolerance)
    error = _ratio(_norm((got - expected)[use]), _norm(expected[use]))
    allowed = _ratio(_norm(tolerance[use]), _norm(expected[use]))
    is_open = bool(np.any(table.open[:, places]) or not np.all(table.seen[places]))
    blurred = _blurred(got[use], tolerance[use], truth.rounding[:, places][use])
    verdict: Verdict = "wrong" if np.any(wrong) else "undecided" if is_open or blurred else "right"
    note = ""
    if not np.all(table.seen[places]):
        note = f"{name}: the calls were used up after {int(np.sum(table.seen[places]))} of {len(places)} entries."
    elif verdict == "undecided" and is_open:
        unclear = places[np.any(table.open[:, places], axis=0)]
        reason = table.reasons.get(int(unclear[0]), "no derivative was found")
        note = f"{name}: of {len(unclear)} of {len(places)} entries nothing can be said: {reason}."
    elif blurred and verdict == "undecided":
        note = f"{name}: the function's own noise hides its gradient: {allowed:.1e} of it."
    return Judged(
        TensorCheck(name, shape, verdict, error, allowed, int(use.sum()), worst(truth, table, places, shape)),
        Known(expected.reshape(-1), tolerance.reshape(-1)),
        kinks(name, form, table, places),
        note,
    )


def judge_directions(part: Part, form: Form, truth: Truth, table: Table, outputs: tuple[int, ...]) -> Judged:
    """By directions in it, and a sample of its entries."""
    shape = outputs + part.shape
    seen = part.places[table.seen[part.places]]
    entries_wrong = bool(np.any(table.wrong[:, seen]))
    entries_open = bool(np.any(table.open[:, seen]))
    error, allowed, blurred = _over(part.readings, truth)
    is_wrong = part.wrong or entries_wrong
    verdict: Verdict = (
        "wrong" if is_wrong else "undecided" if part.open or entries_open or blurred else "right"
    )
    compared = int(np.sum(np.isfinite(table.tolerance[:, seen])))
    note = ""
    if part.wrong and part.slices is not None and any(one is not None for one in part.slices.chosen):
        note = f"{part.name}: the error lies in {part.name}{part.slices}."
    if verdict == "undecided" and not part.finished:
        note = f"{part.name}: the calls were used up; a larger max_calls decides it."
    elif verdict == "undecided" and blurred:
        note = f"{part.name}: the function's own noise hides its gradient: {allowed:.1e} of it."
    if part.kinks is not None:
        note = " ".join(
            each for each in (note, f"{part.name}: at a kink are {part.name}{part.kinks}.") if each
        )
    return Judged(
        TensorCheck(
            part.name, shape, verdict, error, allowed, compared, worst(truth, table, part.places, shape)
        ),
        _known(part) if part.readings else None,
        kinks(part.name, form, table, part.places),
        note,
    )


def worst(truth: Truth, table: Table, places: Array, shape: tuple[int, ...]) -> tuple[Entry, ...]:
    """The wrong entries among `places`, those first that are farthest off."""
    off = np.where(table.wrong[:, places], np.abs(truth.claimed[:, places] - table.expected[:, places]), -1)
    flat = off.reshape(-1)
    order = np.argsort(-np.where(np.isnan(flat), np.inf, flat))[:_WORST]
    chosen = []
    for k in order[flat[order] >= 0]:
        row, column = divmod(int(k), len(places))
        index = tuple(int(i) for i in np.unravel_index(int(k), shape)) if shape else ()
        place = places[column]
        chosen.append(
            Entry(
                index,
                float(truth.claimed[row, place]),
                float(table.expected[row, place]),
                float(table.error[row, place]),
            )
        )
    return tuple(chosen)


def kinks(name: str, form: Form, table: Table, places: Array) -> tuple[Kink, ...]:
    """The entries of the parameter at which there is no derivative."""
    marked = places[np.any(table.kink[:, places], axis=0)]
    return tuple(
        Kink(
            name, form.layout.locate(int(place))[1], table.reasons.get(int(place), "no derivative was found")
        )
        for place in marked[:_KINKS]
    )


def _known(part: Part) -> Known:
    """The truth along the directions, output by output."""
    start, size = int(part.places[0]), len(part.places)
    directions = np.zeros((len(part.readings), size))
    for row, reading in zip(directions, part.readings, strict=True):
        inside = (reading.direction.where >= start) & (reading.direction.where < start + size)
        row[reading.direction.where[inside] - start] = reading.direction.by[inside]
    values = np.stack([reading.value for reading in part.readings], axis=1)
    blind = [np.where(reading.open | reading.kink, np.inf, reading.tolerance) for reading in part.readings]
    return Known(values.reshape(-1), np.stack(blind, axis=1).reshape(-1), directions)


def _over(readings: list[Reading], truth: Truth) -> tuple[float, float, bool]:
    """Error and tolerance over all directions, relative to ‖g∘v‖, and whether the noise hides the gradient."""
    if not readings:
        return float("nan"), float("nan"), True
    use = [~(reading.open | reading.kink) for reading in readings]
    if not any(np.any(one) for one in use):
        return float("nan"), float("nan"), False
    off = np.concatenate([(r.value - r.claimed)[one] for r, one in zip(readings, use, strict=True)])
    allowed = np.concatenate([r.tolerance[one] for r, one in zip(readings, use, strict=True)])
    sizes = [r.direction.size(np.nan_to_num(truth.claimed)) for r in readings]
    values = np.concatenate([r.value[one] for r, one in zip(readings, use, strict=True)])
    own = np.concatenate([s[one] for s, one in zip(sizes, use, strict=True)])
    rounding = np.concatenate(
        [r.direction.size(truth.rounding)[one] for r, one in zip(readings, use, strict=True)]
    )
    size = _norm(own) if _norm(off) <= _norm(allowed) else _norm(values)
    return _ratio(_norm(off), size), _ratio(_norm(allowed), size), _blurred(own, allowed, rounding)


def _blurred(got: Array, tolerance: Array, rounding: Array) -> bool:
    """Whether the truth is so uncertain that a gradient twice as large would pass as well.

    A gradient that is far smaller than anything that can be told from zero is zero, as at a minimum.
    """
    size, allowed = _norm(got), _norm(tolerance)
    return 0.2 * size < allowed and size > 0.01 * allowed and size > 32 * _norm(rounding)


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return 0.0 if numerator == 0 else float("inf")
    return numerator / denominator

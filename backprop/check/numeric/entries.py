"""Entries: the whole gradient compared entry by entry, for as few parameters as that can be done for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.check.numeric.directions import entry_direction
from backprop.check.numeric.evaluation import OutOfCalls
from backprop.check.numeric.truth import Truth

_CONFIRMED = 12


@dataclass(frozen=True)
class Table:
    """The truth (m, p) of every entry beside the claim.

    tolerance: infinite where nothing can be said. error: how far the truth may be off. wrong, open, kink, steep,
    left, right: as in `Reading`. reasons: of each entry of the point at a kink. seen (p,): which entries were
    looked at.
    """

    expected: Array
    tolerance: Array
    error: Array
    wrong: Array
    open: Array
    kink: Array
    steep: Array
    left: Array
    right: Array
    reasons: dict[int, str]
    seen: Array


def empty_table(outputs: int, size: int) -> Table:
    """A table in which nothing has been looked at."""
    shape = (outputs, size)
    return Table(
        np.full(shape, np.nan),
        np.full(shape, np.inf),
        np.full(shape, np.inf),
        np.zeros(shape, bool),
        np.zeros(shape, bool),
        np.zeros(shape, bool),
        np.zeros(shape),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        {},
        np.zeros(size, bool),
    )


def every_entry(truth: Truth, where: Array) -> Table | None:
    """Compare the entries `where`; None where complex steps turn out to be no slopes, and all is to be done again."""
    table = empty_table(*truth.claimed.shape)
    trusted = truth.complex
    for index in where:
        try:
            look(truth, table, int(index))
        except OutOfCalls:
            break
        if trusted and not truth.complex:
            return None
    return table


def look(truth: Truth, table: Table, index: int) -> None:
    """Compare one entry and put it into the table."""
    direction = entry_direction(index, truth.scales)
    reading = truth.read(direction, confirm=truth.confirmed < _CONFIRMED)
    scale = direction.by[0]
    at_kink = reading.kink | reading.open
    table.expected[:, index] = reading.value / scale
    table.error[:, index] = np.where(at_kink, np.inf, reading.error / scale)
    table.tolerance[:, index] = np.where(at_kink, np.inf, reading.tolerance / scale)
    table.wrong[:, index] = reading.wrong
    table.open[:, index] = reading.open
    table.kink[:, index] = reading.kink
    table.steep[:, index] = reading.steep / abs(scale)
    table.left[:, index], table.right[:, index] = reading.left / scale, reading.right / scale
    table.seen[index] = True
    if reading.reason:
        table.reasons[index] = reading.reason

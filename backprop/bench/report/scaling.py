"""Scaling: how time and memory grow with width, batch and depth, fitted beside what the cost model predicts.

A sweep is a set of right cells of one strategy that differ in one size alone and have at least three values
of it. value ~ size**k is fitted in logarithms to what was measured and to what was predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.bench.record import Record, grouped
from backprop.bench.report.ranking import ran
from backprop.bench.statistics import Estimate, fit_exponent

FEWEST_POINTS = 3
SIZES = ("width", "batch", "depth")
"""The sizes that may be swept; each is a key of `shape_of`."""

Family = dict[int, int]
"""Cells that are alike but for one size: that size by their position in the run."""


@dataclass(frozen=True)
class Exponent:
    """One fitted exponent. swept: width, batch or depth; quantity: time or memory.

    cells: the positions of the cells that it was fitted to.
    """

    strategy: str
    swept: str
    sizes: tuple[int, ...]
    quantity: str
    measured: Estimate
    predicted: float
    cells: tuple[int, ...] = ()


def shape_of(cell: Record) -> dict[str, Any] | None:
    """The sizes of a network whose hidden layers are all as wide, and what else is the same in a sweep; else None."""
    sizes_text, _, kind = cell.network.partition(" ")
    sizes = [int(size) for size in sizes_text.split("-") if size.isdecimal()]
    hidden = sizes[1:-1]
    if len(set(hidden)) != 1:
        return None
    shape = {"inputs": sizes[0], "width": hidden[0], "depth": len(hidden), "outputs": sizes[-1]}
    rest = (kind, cell.dtype, cell.threads, cell.cpu or "")
    return {**shape, "batch": cell.batch_size, "rest": rest}


def families(cells: Sequence[Record], usable: Iterable[int]) -> Iterator[tuple[str, Family]]:
    """Every size that may be swept, with every family of the cells at these positions."""
    shapes = {k: shape for k in usable if (shape := shape_of(cells[k])) is not None}
    for swept in SIZES:
        groups: dict[tuple[Any, ...], Family] = {}
        for k, shape in shapes.items():
            alike = tuple(value for name, value in shape.items() if name != swept)
            groups.setdefault(alike, {})[k] = shape[swept]
        for family in groups.values():
            yield swept, family


def exponents(cells: Iterable[Record]) -> list[Exponent]:
    """Every exponent that the cells of a run allow to fit; nothing where nothing was swept."""
    cells = list(cells)
    strategies = grouped((k for k, cell in enumerate(cells) if ran(cell)), lambda k: cells[k].strategy)
    return [
        exponent
        for strategy, own in strategies.items()
        for swept, family in families(cells, own)
        for exponent in _fitted(cells, strategy, swept, family)
    ]


def _fitted(
    cells: Sequence[Record], strategy: str, swept: str, family: Mapping[int, int]
) -> Iterator[Exponent]:
    """The exponents of time and memory over these cells; a size that was measured twice counts once."""
    by_size: dict[int, int] = {}
    for k, size in family.items():
        by_size.setdefault(size, k)
    sizes = tuple(sorted(by_size))
    places = tuple(by_size[size] for size in sizes)
    if len(sizes) < FEWEST_POINTS:
        return
    for quantity, measured, predicted in (
        ("time", "time_median_s", "predicted_time_s"),
        ("memory", "peak_bytes", "predicted_peak_bytes"),
    ):
        values, model = ([getattr(cells[k], name) for k in places] for name in (measured, predicted))
        if all(value is not None and 0 < value < math.inf for value in [*values, *model]):
            fitted, expected = (fit_exponent(sizes, list(map(float, each))) for each in (values, model))
            yield Exponent(strategy, swept, sizes, quantity, fitted, expected.value, places)

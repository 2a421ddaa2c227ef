"""Scaling: how time and memory grow with width, batch and depth, fitted beside what the cost model predicts.

A sweep is a set of right cells of one strategy that differ in one size alone and have at least three values
of it. value ~ size**k is fitted in logarithms to what was measured and to what was predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from backprop.bench.report import units
from backprop.bench.report.ranking import ran
from backprop.bench.statistics import Estimate, fit_exponent

FEWEST_POINTS = 3
SIZES = ("width", "batch", "depth")
"""The sizes that may be swept; each is a field of `Shape`."""


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


@dataclass(frozen=True)
class Shape:
    """The sizes of a network whose hidden layers are all as wide. rest: what must be the same in a sweep besides."""

    inputs: int
    width: int
    depth: int
    outputs: int
    batch: int
    rest: tuple[Any, ...]

    def without(self, swept: str) -> tuple[Any, ...]:
        """All but the size that is swept."""
        return tuple(value for name, value in vars(self).items() if name != swept)


@dataclass(frozen=True)
class Shaped:
    """A cell with its shape and its position among the cells of the run."""

    cell: Any
    shape: Shape
    position: int

    def size(self, swept: str) -> int:
        """The size that is swept."""
        return int(getattr(self.shape, swept))


def shaped(cells: Iterable[Any]) -> list[Shaped]:
    """The cells of networks whose hidden layers are all as wide."""
    found = []
    for position, cell in enumerate(cells):
        sizes_text, _, kind = str(cell.network).partition(" ")
        sizes = [int(size) for size in sizes_text.split("-") if size.isdecimal()]
        hidden = sizes[1:-1]
        if len(set(hidden)) == 1:
            rest = (kind, cell.dtype, cell.threads, cell.cpu if isinstance(cell.cpu, str) else "")
            shape = Shape(sizes[0], hidden[0], len(hidden), sizes[-1], int(cell.batch_size), rest)
            found.append(Shaped(cell, shape, position))
    return found


def families(cells: Iterable[Shaped]) -> Iterator[tuple[str, list[Shaped]]]:
    """Every size that may be swept, with every set of cells that are alike but for this size."""
    cells = list(cells)
    for swept in SIZES:
        groups: dict[tuple[Any, ...], list[Shaped]] = {}
        for one in cells:
            groups.setdefault(one.shape.without(swept), []).append(one)
        for group in groups.values():
            yield swept, group


def exponents(cells: Iterable[Any]) -> list[Exponent]:
    """Every exponent that the cells of a run allow to fit; nothing where nothing was swept."""
    strategies: dict[str, list[Shaped]] = {}
    for one in shaped(cells):
        if ran(one.cell):
            strategies.setdefault(str(one.cell.strategy), []).append(one)
    return [
        exponent
        for strategy, own in strategies.items()
        for swept, family in families(own)
        for exponent in _fitted(strategy, swept, family)
    ]


def _fitted(strategy: str, swept: str, family: Iterable[Shaped]) -> Iterator[Exponent]:
    """The exponents of time and memory over these cells; a size that was measured twice counts once."""
    by_size: dict[int, Shaped] = {}
    for one in family:
        by_size.setdefault(one.size(swept), one)
    sizes = tuple(sorted(by_size))
    sweep = [by_size[size] for size in sizes]
    if len(sizes) < FEWEST_POINTS:
        return
    for quantity, measured, predicted in (
        ("time", "time_median_s", "predicted_time_s"),
        ("memory", "peak_bytes", "predicted_peak_bytes"),
    ):
        values, model = ([getattr(one.cell, name) for one in sweep] for name in (measured, predicted))
        if all(
            not units.missing(value) and math.isfinite(value) and value > 0 for value in [*values, *model]
        ):
            fitted, expected = (fit_exponent(sizes, list(map(float, each))) for each in (values, model))
            positions = tuple(one.position for one in sweep)
            yield Exponent(strategy, swept, sizes, quantity, fitted, expected.value, positions)

"""Scaling: how time and memory grow with width, batch and depth, fitted beside what the cost model predicts.

A sweep is a set of right cells of one strategy that differ in one size alone and have at least three values
of it. value ~ size**k is fitted in logarithms to what was measured and to what was predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backprop.bench.report.frame import tuples
from backprop.bench.statistics import Estimate, fit_exponent

FEWEST_POINTS = 3


@dataclass(frozen=True)
class Exponent:
    """One fitted exponent. swept: width, batch or depth; quantity: time or memory."""

    strategy: str
    swept: str
    sizes: tuple[int, ...]
    quantity: str
    measured: Estimate
    predicted: float
    cells: tuple[int, ...] = ()
    """Where in the frame the cells are that it was fitted to."""


def exponents(frame: pd.DataFrame) -> list[Exponent]:
    """Every exponent that the cells of a run allow to fit; nothing where nothing was swept."""
    found = []
    for strategy, swept, cells in _sweeps(frame):
        sizes = tuple(int(size) for size in cells[swept])
        for quantity, measured, predicted in (
            ("time", cells.time_median_s, cells.predicted_time_s),
            ("memory", cells.peak_bytes, cells.predicted_peak_bytes),
        ):
            values = np.array([*predicted.astype(float), *measured.astype(float)])
            if not (np.isfinite(values) & (values > 0)).all():
                continue
            fitted, model = (fit_exponent(sizes, values.astype(float)) for values in (measured, predicted))
            places = tuple(map(int, cells.index))
            found.append(Exponent(strategy, swept, sizes, quantity, fitted, model.value, places))
    return found


FIXED: dict[str, Callable[[Any], Any]] = {
    "width": lambda shape: (shape.inputs, shape.outputs, shape.depth, shape.batch),
    "batch": lambda shape: (shape.inputs, shape.outputs, shape.depth, shape.width),
    "depth": lambda shape: (shape.inputs, shape.outputs, shape.width, shape.batch),
}
"""For each size that may be swept, what stays the same."""


def _sweeps(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Strategy, what is swept, and the cells with columns width, batch and depth, in order of size."""
    cells = with_shapes(frame[(frame.status == "ok") & frame.time_median_s.notna()])
    for strategy, own in cells.groupby("strategy", sort=False):
        for swept, fixed in FIXED.items():
            keys = [(*fixed(shape), shape.rest) for shape in tuples(own)]
            for _, sweep in own.groupby(pd.Series(keys, index=own.index), sort=False):
                unique = sweep.drop_duplicates(swept).sort_values(swept)
                if len(unique) >= FEWEST_POINTS:
                    yield str(strategy), swept, unique


def with_shapes(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of networks whose hidden layers are all as wide, with their shape in columns.

    inputs, outputs, width, depth, batch: sizes; rest: what must be the same in a sweep besides.
    """
    shapes = []
    for cell in tuples(frame):
        sizes_text, _, rest = str(cell.network).partition(" ")
        sizes = [int(size) for size in sizes_text.split("-") if size.isdecimal()]
        hidden = sizes[1:-1]
        if len(set(hidden)) == 1:
            shapes.append(
                {
                    "index": cell.Index,
                    "inputs": sizes[0],
                    "outputs": sizes[-1],
                    "width": hidden[0],
                    "depth": len(hidden),
                    "batch": cell.batch_size,
                    "rest": (rest, cell.dtype, cell.threads, cell.cpu if isinstance(cell.cpu, str) else ""),
                }
            )
    columns = ["index", "inputs", "outputs", "width", "depth", "batch", "rest"]
    described = pd.DataFrame(shapes, columns=columns).set_index("index")
    return frame.join(described, how="inner")

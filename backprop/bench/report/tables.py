"""The tables that Markdown, page and terminal share: their rows as text, made once.

A figure has the text that is read and, for the page, the number that it is sorted by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backprop import units
from backprop.bench.record import MEASURED, SHORT_FORM, Agreement, Record, by_scenario, one_line
from backprop.bench.report.ranking import is_predicted, ran, rank, ranked

if TYPE_CHECKING:
    from backprop.bench.report.scaling import Exponent

Row = dict[str, str]
"""A row of plain text, by header."""


@dataclass(frozen=True)
class Figure:
    """A figure of a table: its text, what it is sorted by (None: last), and a smaller text below it."""

    text: str
    key: float | str | None = None
    note: str = ""

    @property
    def sort(self) -> str:
        """The key as an attribute of HTML."""
        return "" if self.key is None else f"{self.key:.6g}" if isinstance(self.key, float) else self.key


Figures = dict[str, Figure]
"""The figures of a cell, by header."""


def number(
    value: float | None, words: Callable[[float | None], str], note: str = "", about: str = ""
) -> Figure:
    """A number in words, with the sign `about` before it; the sign of a missing figure where there is none."""
    if value is None or not math.isfinite(value):
        return Figure(units.MISSING)
    return Figure(about + words(value), float(value), note)


def text(value: object, note: str = "") -> Figure:
    """A text, which is sorted by itself."""
    return Figure(one_line(value), str(value), note)


# Cells --------------------------------------------------------------------------------------------------


def ranking(cells: Iterable[Record]) -> Iterator[tuple[Record, Figures]]:
    """Every cell with its figures: scenario by scenario, and in each in the order of the ranking.

    A cell that did not run has its predicted time, ratio and memory, marked with ≈.
    """
    for group in by_scenario(cells).values():
        short = next(
            (_time(c) for c in group if c.strategy == SHORT_FORM and (ran(c) or is_predicted(c))), None
        )
        for cell in ranked(group):
            yield cell, _ranked(cell, short)


def _time(cell: Record) -> float | None:
    """The measured time of a cell, or the one that was predicted for a cell that did not run."""
    return cell.time_median_s if cell.status in MEASURED else cell.predicted_time_s


def _ranked(cell: Record, short: float | None) -> Figures:
    """The figures of a cell; `short` is the time of the short form in seconds, or None."""
    about = "" if cell.status in MEASURED else "≈ "
    ratio = cell.ratio_to_short_form
    memory: float | None = cell.peak_bytes
    if about:
        predicted = cell.predicted_time_s if is_predicted(cell) else None
        ratio = predicted / short if predicted and short else None
        memory = cell.predicted_peak_bytes
    place = rank(cell)
    times = units.interval(cell.time_low_s, cell.time_high_s, units.seconds)
    ratios = units.interval(cell.ratio_low, cell.ratio_high, units.ratio)
    return {
        "#": Figure(place, (cell.rank_best or 0) + (cell.rank_worst or 0) / 1e4 if place else None),
        "strategy": text(cell.strategy),
        "scenario": text(cell.scenario),
        "dtype": text(cell.dtype),
        "time": number(_time(cell), units.seconds, times, about),
        "± IQR": number(cell.time_iqr_s, units.seconds),
        "min": number(cell.time_min_s, units.seconds),
        "÷ short form": number(ratio, units.ratio, ratios, about),
        "95% interval": Figure(ratios or units.MISSING),
        "noise floor": number(cell.noise_floor, units.factor),
        "÷ loss": number(cell.ratio_to_loss, units.ratio),
        "÷ products": number(cell.ratio_to_products, units.ratio),
        "prepare": number(cell.prepare_s, units.seconds),
        "peak memory": number(memory, units.data_size, about=about),
        "predicted": number(cell.predicted_peak_bytes, units.data_size),
        "error": number(cell.gradient_error, units.error),
        "tolerance": number(cell.tolerance, units.error),
        "accuracy": number(cell.test_accuracy, units.percent),
        "status": text(f"{cell.status}, unstable" if cell.unstable else cell.status, one_line(cell.unstable)),
        "reason": text(cell.reason),
        "predicted time": number(cell.predicted_time_s, units.seconds),
        "predicted memory": number(cell.predicted_peak_bytes, units.data_size),
        "forward passes": number(cell.forward_calls, units.count),
    }


LEFT_OUT = (
    "strategy", "scenario", "dtype", "status", "reason", "predicted time", "predicted memory", "forward passes",
)  # fmt: skip
"""What tables of cells without figures have: the reason in words, and what the cell would need."""


def left_out(cells: Iterable[Record]) -> list[tuple[Record, Figures]]:
    """Every cell without figures, with what is known of it."""
    return [(cell, _ranked(cell, None)) for cell in cells if cell.status not in MEASURED]


# How well the cells were measured -----------------------------------------------------------------------


def measurement_rows(cells: Iterable[Record]) -> list[Row]:
    """One row a cell that was measured in several starts; nothing where none was.

    Only `backprop run` measures so; a quick look under pytest-benchmark has one start.
    """
    known = ranked(cell for cell in cells if cell.time_low_s is not None)
    return [
        {
            "strategy": cell.strategy,
            "95% of the time": f"{units.seconds(cell.time_low_s)} to {units.seconds(cell.time_high_s)}",
            "95% of ÷ short form": units.interval(cell.ratio_low, cell.ratio_high, units.ratio)
            or units.MISSING,
            "noise floor": units.factor(cell.noise_floor),
            "would be found": units.difference(cell.detectable),
            "against short form": cell.verdict or units.MISSING,
            "starts": units.count(cell.starts),
            "turns": units.count(cell.rounds),
            "group": units.count(cell.turns_group),
            "predicted time": units.seconds(cell.predicted_time_s),
            "of GEMM peak": units.percent(cell.flops_share),
            "of bandwidth": units.percent(cell.bandwidth_share),
            "memory by": cell.memory_tracker or units.MISSING,
            "unstable": cell.unstable or units.MISSING,
        }
        for cell in known
    ]


def measurements(cells: Iterable[Record]) -> list[tuple[str, list[Row]]]:
    """By scenario and dtype the `measurement_rows` of its cells; nothing of a scenario that has none."""
    found = [
        (f"{scenario}, {dtype}", measurement_rows(own))
        for (scenario, dtype), own in by_scenario(cells).items()
    ]
    return [(label, rows) for label, rows in found if rows]


def floor_rows(cells: Iterable[Record]) -> list[Row]:
    """The noise floor of every A/A pair: one a group of strategies that took turns together."""
    known: dict[tuple[Any, ...], Record] = {}
    for cell in cells:
        if cell.noise_floor is not None:
            known.setdefault((cell.scenario, cell.dtype, cell.turns_group), cell)
    return [
        {
            "scenario": f"{cell.scenario}, {cell.dtype}",
            "group": units.count(cell.turns_group),
            "noise floor": units.factor(cell.noise_floor),
            "starts": units.count(cell.starts),
            "turns": units.count(cell.rounds),
        }
        for cell in known.values()
    ]


def exponent_rows(cells: Sequence[Record], found: Iterable[Exponent]) -> list[Row]:
    """One row a strategy and sweep: the exponents of time and memory, each with its interval and its prediction."""
    lines: dict[tuple[str, tuple[int, ...]], Row] = {}
    for one in found:
        first = cells[one.cells[0]]
        batch = "" if one.swept == "batch" else f", batch {first.batch_size}"
        line = lines.setdefault(
            (one.strategy, one.cells),
            {
                "strategy": one.strategy,
                "against": f"{one.swept} {one.sizes[0]} to {one.sizes[-1]}, {len(one.sizes)} sizes",
                "cell": f"{first.network.split()[0]}{batch}, {first.dtype}",
            },
        )
        ends = units.interval(one.measured.low, one.measured.high, units.exponent) or units.MISSING
        line[one.quantity] = f"{units.exponent(one.measured.value)} ({ends})"
        line[f"{one.quantity}, predicted"] = units.exponent(one.predicted)
    return [dict.fromkeys(_EXPONENTS, units.MISSING) | line for line in lines.values()]


_EXPONENTS = ("strategy", "against", "cell", "time", "time, predicted", "memory", "memory, predicted")


# Agreement ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """Every pair of one scenario and dtype. pairs: by the two names, in either order."""

    label: str
    names: tuple[str, ...]
    pairs: dict[frozenset[str], Agreement]

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """Every name and its distances to all: empty for itself, with ✗ where it is beyond both error models."""
        for name in self.names:
            yield name, [self._distance(name, other) for other in self.names]

    def _distance(self, name: str, other: str) -> str:
        pair = self.pairs.get(frozenset((name, other)))
        return "" if pair is None else units.error(pair.distance) + ("" if pair.agrees else " ✗")


def matrices(agreements: Iterable[Agreement]) -> list[Matrix]:
    """The matrix of every scenario and dtype, in the order of the run."""
    return [
        Matrix(
            f"{scenario}, {dtype}",
            tuple(dict.fromkeys(name for row in rows for name in (row.first, row.second))),
            {frozenset((row.first, row.second)): row for row in rows},
        )
        for (scenario, dtype), rows in by_scenario(agreements).items()
    ]

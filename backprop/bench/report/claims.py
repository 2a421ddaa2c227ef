"""What the times of a run allow to conclude: how many pairs are compared, and when one cell is called faster."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backprop.bench.record import Description
from backprop.bench.report import units
from backprop.bench.report.ranking import by_scenario, ran

_QUICK_LOOK = (
    "No intervals, no ranks and no claims: these times are of one process, and another start of it may differ by "
    "some per cent (backprop run starts every strategy several times)."
)


def ranking_note(cells: Iterable[Any], run: Description | None = None) -> str:
    """How many pairs of cells are compared and when one is called faster, or why no claim is made.

    It says also whether the run reached the precision and the smallest difference that it was asked for.
    """
    from backprop.bench.statistics import SIGNIFICANCE, SMALLEST_CLAIM, STARTS_TO_CLAIM  # loads NumPy

    timed = list(filter(ran, cells))
    several = [cell for cell in timed if _starts(cell) > 1 and not units.missing(cell.noise_floor)]
    if not several:
        return "" if not timed or any(_starts(cell) > 1 for cell in timed) else _QUICK_LOOK
    enough = [cell for cell in several if _starts(cell) >= STARTS_TO_CLAIM]
    if not enough:
        said = [f"No ranks and no claims: {_range_of_starts(several)}, expected at least {STARTS_TO_CLAIM}."]
    else:
        pairs = sum(math.comb(len(group), 2) for group in by_scenario(enough).values())
        said = [
            f"{pairs:,} pair{'s' if pairs != 1 else ''} of cells compared. A cell is called faster than another only "
            f"where p < {SIGNIFICANCE}, the factor between them is above {SMALLEST_CLAIM} and above the noise floor, "
            "and the claim still holds when all pairs are judged together (Holm's method): with a probability of 95% "
            "no such claim is false. Cells that cannot be told apart share a rank, such as 1-3."
        ]
        said = said if pairs else []
        if few := len(several) - len(enough):
            said.append(f"Cells with fewer than {STARTS_TO_CLAIM} starts, which have no rank: {few:,}.")
    return " ".join([*said, *_wishes(several, (run.settings if run else None) or {})])


def _wishes(cells: Iterable[Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """Whether the intervals are as narrow, and the differences found as small, as was asked for."""
    compared = [cell for cell in cells if not units.missing(cell.detectable)]
    widths = [(cell.ratio_high / cell.ratio_low) ** 0.5 for cell in compared]
    found = [cell.detectable for cell in compared]
    for name, factors, words in (
        ("precision", widths, "Intervals were to reach {} to either side"),
        ("claim", found, "A difference of {} was to be found"),
    ):
        wish = settings.get(name)
        if isinstance(wish, float):
            missed = sum(factor > 1 + wish for factor in factors)
            end = f"not reached in {missed} of {len(compared)}, as the time allowed" if missed else "reached"
            yield f"{words.format(units.difference(1 + wish))}: {end}."


def found_note(cells: Iterable[Any]) -> str:
    """The smallest difference from the short form that these cells would show; empty where none was compared."""
    known = [float(cell.detectable) for cell in cells if not units.missing(cell.detectable)]
    if not known:
        return ""
    low, high = map(units.difference, (min(known), max(known)))
    ends = low if low == high else f"{low} to {high}"
    return f"A difference from the short form of {ends} would have been found, depending on the cell."


def _starts(cell: Any) -> int:
    return 0 if units.missing(cell.starts) else int(cell.starts)


def _range_of_starts(cells: Iterable[Any]) -> str:
    counts = [_starts(cell) for cell in cells]
    low, high = min(counts), max(counts)
    return f"{high} start{'s' if high != 1 else ''}" if low == high else f"{low} to {high} starts"

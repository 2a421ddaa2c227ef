"""The ranking of a run, the same for terminal, Markdown and page, and what may be concluded from its times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backprop import units
from backprop.bench.record import NOT_BEGUN, Description, Record, by_scenario

HEADLINE = ("mnist-32", "float64")
"""Scenario and dtype that README shows, and that the page of a run opens with where the run has them."""


def ranked(cells: Iterable[Record]) -> list[Record]:
    """Right cells by time, then wrong cells by time, then cells that did not run, by predicted time."""
    return sorted(cells, key=_order)


def _order(cell: Record) -> tuple[float, ...]:
    """What cells are sorted by; a missing time comes last."""
    times = (cell.time_median_s, cell.predicted_time_s)
    group = {"ok": 0.0, "disagrees": 1.0}.get(cell.status, 2.0)
    return group, *(math.inf if time is None else time for time in times)


def rank(cell: Record) -> str:
    """2, or 1-3 where the cell cannot be told from its neighbours; empty where the cell has no rank, or is wrong."""
    best, worst = cell.rank_best, cell.rank_worst
    if cell.status != "ok" or best is None or worst is None:
        return ""
    return units.count(best) if best == worst else f"{units.count(best)}-{units.count(worst)}"


def ran(cell: Record) -> bool:
    """Whether the cell is right and was timed."""
    return cell.status == "ok" and cell.time_median_s is not None


def is_predicted(cell: Record) -> bool:
    """Whether a prediction stands in place of a time that was not measured."""
    return cell.status in NOT_BEGUN and cell.predicted_time_s is not None


# What is claimed --------------------------------------------------------------------------------------

_QUICK_LOOK = (
    "No intervals, no ranks and no claims: these times are of one process, and another start of it may differ by "
    "some per cent (backprop run starts every strategy several times)."
)


def ranking_note(cells: Iterable[Record], run: Description | None = None) -> str:
    """How many pairs of cells are compared and when one is called faster, or why no claim is made.

    It says also whether the run reached the precision and the smallest difference that it was asked for.
    """
    from backprop.bench.statistics import SIGNIFICANCE, SMALLEST_CLAIM, STARTS_TO_CLAIM  # loads NumPy

    timed = list(filter(ran, cells))
    several = [cell for cell in timed if _starts(cell) > 1 and cell.noise_floor is not None]
    if not several:
        return "" if not timed or any(_starts(cell) > 1 for cell in timed) else _QUICK_LOOK
    enough = [cell for cell in several if _starts(cell) >= STARTS_TO_CLAIM]
    if not enough:
        said = [f"No ranks and no claims: {_range_of_starts(several)}, expected at least {STARTS_TO_CLAIM}."]
    else:
        pairs = sum(math.comb(len(group), 2) for group in by_scenario(enough).values())
        said = [
            f"{units.counted(pairs, 'pair')} of cells compared. A cell is called faster than another only "
            f"where p < {SIGNIFICANCE}, the factor between them is above {SMALLEST_CLAIM} and above the noise floor, "
            "and the claim still holds when all pairs are judged together (Holm's method): with a probability of 95% "
            "no such claim is false. Cells that cannot be told apart share a rank, such as 1-3."
        ]
        said = said if pairs else []
        if few := len(several) - len(enough):
            said.append(f"Cells with fewer than {STARTS_TO_CLAIM} starts, which have no rank: {few:,}.")
    return " ".join([*said, *_wishes(several, (run.settings if run else None) or {})])


def _wishes(cells: Iterable[Record], settings: Mapping[str, Any]) -> Iterator[str]:
    """In words: whether the run reached the precision and the smallest difference that were asked for."""
    compared = [cell for cell in cells if cell.detectable]
    widths = [(c.ratio_high / c.ratio_low) ** 0.5 for c in compared if c.ratio_high and c.ratio_low]
    found = [c.detectable for c in compared if c.detectable]
    for name, factors, words in (
        ("precision", widths, "Intervals were to reach {} to either side"),
        ("claim", found, "A difference of {} was to be found"),
    ):
        wish = settings.get(name)
        if isinstance(wish, float):
            missed = sum(factor > 1 + wish for factor in factors)
            end = f"not reached in {missed} of {len(compared)}, as the time allowed" if missed else "reached"
            yield f"{words.format(units.difference(1 + wish))}: {end}."


def found_note(cells: Iterable[Record]) -> str:
    """The smallest difference from the short form that these cells would show; empty where none was compared."""
    known = [cell.detectable for cell in cells if cell.detectable is not None]
    if not known:
        return ""
    low, high = map(units.difference, (min(known), max(known)))
    ends = low if low == high else f"{low} to {high}"
    return f"A difference from the short form of {ends} would have been found, depending on the cell."


def _starts(cell: Record) -> int:
    return cell.starts or 0


def _range_of_starts(cells: Iterable[Record]) -> str:
    counts = [_starts(cell) for cell in cells]
    low, high = min(counts), max(counts)
    return units.counted(high, "start") if low == high else f"{low} to {high} starts"

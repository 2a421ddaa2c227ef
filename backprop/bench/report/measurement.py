"""How well a scenario was measured: intervals, turns, noise floor, verdicts, and the share of the machine's limits.

Only runs of the instrument (`backprop run`) have these; a quick look under pytest-benchmark has one start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from backprop.bench.record import Description
from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.scaling import Exponent
from backprop.bench.statistics import SIGNIFICANCE, SMALLEST_CLAIM, STARTS_TO_CLAIM


def ranking_note(frame: pd.DataFrame, run: Description | None = None) -> str:
    """What may be concluded from these cells: how many pairs are compared and when one is claimed, or why none is.

    Also whether the precision and the claim were reached that the run, by its description, was to reach.
    """
    right = frame[(frame.status == "ok") & frame.time_median_s.notna()]
    several = right[(right.starts > 1) & right.noise_floor.notna()]
    if several.empty:
        return "" if right.empty or (right.starts > 1).any() else _QUICK_LOOK
    enough = several[several.starts >= STARTS_TO_CLAIM]
    if enough.empty:
        said = [f"No ranks and no claims: {_starts(several)}, expected at least {STARTS_TO_CLAIM}."]
    else:
        pairs = sum(math.comb(count, 2) for count in enough.groupby(["scenario", "dtype"]).size())
        said = [
            f"{pairs:,} pair{'s' if pairs != 1 else ''} of cells compared. One is called faster where "
            f"p < {SIGNIFICANCE}, the factor exceeds {SMALLEST_CLAIM} and the noise floor, and the claim holds among "
            "all pairs at once (Holm): with a probability of 95% none is false. A rank such as 1-3 is of a cell that "
            "cannot be told from its neighbours."
        ]
        if few := len(several) - len(enough):
            said.append(f"Cells with fewer than {STARTS_TO_CLAIM} starts, which have no rank: {few:,}.")
    return " ".join([*said, *_wishes(several, (run.settings if run else None) or {})])


_QUICK_LOOK = (
    "No intervals, no ranks and no claims: these times are of one process, and another start of it may differ by "
    "some per cent (backprop run starts every strategy several times)."
)


def found_note(cells: pd.DataFrame) -> str:
    """Which difference from the short form would have been found in these cells; nothing where none was compared."""
    known = cells.detectable.dropna()
    if known.empty:
        return ""
    low, high = map(units.difference, (known.min(), known.max()))
    ends = low if low == high else f"{low} to {high}"
    return f"A difference from the short form of {ends} would have been found, depending on the cell."


def _wishes(cells: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[str]:
    """Whether the intervals are as narrow, and the differences found as small, as was asked for."""
    compared = cells[cells.detectable.notna()]
    for name, factor, words in (
        (
            "precision",
            (compared.ratio_high / compared.ratio_low) ** 0.5,
            "Intervals were to reach {} to either side",
        ),
        ("claim", compared.detectable, "A difference of {} was to be found"),
    ):
        wish = settings.get(name)
        if isinstance(wish, float):
            missed = int((factor > 1 + wish).sum())
            end = f"not reached in {missed} of {len(compared)}, as the time allowed" if missed else "reached"
            yield f"{words.format(units.difference(1 + wish))}: {end}."


def _starts(cells: pd.DataFrame) -> str:
    low, high = int(cells.starts.min()), int(cells.starts.max())
    return f"{high} start{'s' if high != 1 else ''}" if low == high else f"{low} to {high} starts"


def measurement_rows(cells: pd.DataFrame) -> list[dict[str, str]]:
    """One row a cell that was measured in several starts; nothing where none was."""
    rows = []
    known = cells[cells.time_low_s.notna()]
    for cell in tuples(known.sort_values("time_median_s")) if len(known) else ():
        rows.append(
            {
                "strategy": cell.strategy,
                "95% of the time": f"{units.seconds(cell.time_low_s)} to {units.seconds(cell.time_high_s)}",
                "95% of ÷ short form": _interval(cell.ratio_low, cell.ratio_high),
                "noise floor": units.factor(cell.noise_floor),
                "would be found": units.difference(cell.detectable),
                "against short form": cell.verdict if isinstance(cell.verdict, str) else units.MISSING,
                "starts": units.count(cell.starts),
                "turns": units.count(cell.rounds),
                "group": units.count(cell.turns_group),
                "predicted time": units.seconds(cell.predicted_time_s),
                "of GEMM peak": units.percent(cell.flops_share),
                "of bandwidth": units.percent(cell.bandwidth_share),
                "memory by": cell.memory_tracker if isinstance(cell.memory_tracker, str) else units.MISSING,
                "unstable": cell.unstable or units.MISSING,
            }
        )
    return rows


def exponent_rows(found: list[Exponent]) -> list[dict[str, str]]:
    """One row a fitted exponent."""
    return [
        {
            "strategy": one.strategy,
            "quantity": one.quantity,
            "against": f"{one.swept} {one.sizes[0]} to {one.sizes[-1]} ({len(one.sizes)} sizes)",
            "exponent": f"{one.measured.value:z.2f}",
            "95% interval": units.ends(one.measured.low, one.measured.high),
            "predicted": f"{one.predicted:z.2f}",
        }
        for one in found
    ]


def _interval(low: float, high: float) -> str:
    return units.MISSING if pd.isna(low) else f"{units.ratio(low)} to {units.ratio(high)}"

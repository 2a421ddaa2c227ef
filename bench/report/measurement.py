"""How well a scenario was measured: intervals, turns, noise floor, verdicts, and the share of the machine's limits.

Only runs of the instrument (`backprop run`) have these; a quick look under pytest-benchmark has one start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.report import units
from bench.report.frame import tuples
from bench.report.scaling import Exponent
from bench.statistics import compare


def shared_ranks(ranked: pd.DataFrame) -> list[str]:
    """The rank of every right cell, in order of time; cells that cannot be told apart share one: `2=`."""
    ranks: list[int] = []
    cells = list(tuples(ranked)) if len(ranked) else []
    for k, cell in enumerate(cells):
        ranks.append(ranks[-1] if k and _same(cell, cells[k - 1]) else k + 1)
    return [f"{rank}=" if ranks.count(rank) > 1 else str(rank) for rank in ranks]


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
                "against short form": cell.verdict if isinstance(cell.verdict, str) else units.MISSING,
                "starts": units.count(cell.starts),
                "turns": units.count(cell.rounds),
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
            "exponent": f"{one.measured.value:.2f}",
            "95% interval": f"{one.measured.low:.2f} to {one.measured.high:.2f}",
            "predicted": f"{one.predicted:.2f}",
        }
        for one in found
    ]


def _same(cell: Any, before: Any) -> bool:
    """Whether two cells cannot be told apart, by the turns they took."""
    if pd.isna(cell.noise_floor) or pd.isna(before.noise_floor):
        return False
    floor = max(cell.noise_floor, before.noise_floor)
    difference = compare(cell.samples_s, before.samples_s, floor, np.random.default_rng(0))
    return difference.verdict == "same within noise"


def _interval(low: float, high: float) -> str:
    return units.MISSING if pd.isna(low) else f"{units.ratio(low)} to {units.ratio(high)}"

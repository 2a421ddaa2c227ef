"""What the page opens with: one scenario, what every derivation costs there, and that in one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backprop.bench.record import MEASURED
from backprop.bench.report import units
from backprop.bench.report.frame import tuples
from backprop.bench.report.headline import SCENARIO

_NOT_RUN = ("over-time-budget", "over-memory-budget", "predicted")
"""Left out before it began: what was predicted for such a cell may stand beside what was measured."""
_NAMED = 4
_APART = 1.5


@dataclass(frozen=True)
class Bar:
    """One derivation: its time ÷ that of the base, with the interval where turns gave one."""

    strategy: str
    ratio: float
    low: float | None
    high: float | None
    seconds: float
    predicted: bool

    @property
    def text(self) -> str:
        """255x, or ≈ 473,000x where it is predicted."""
        return about(self.predicted) + units.ratio(self.ratio)


@dataclass(frozen=True)
class Lead:
    """The scenario that the page opens with. base: the strategy of 1x; bars: the cheapest first."""

    scenario: str
    dtype: str
    title: str
    base: str
    bars: tuple[Bar, ...]

    @property
    def measured(self) -> bool:
        """Whether the base was measured; if not, everything is predicted."""
        return any(not bar.predicted for bar in self.bars)

    @property
    def named(self) -> tuple[Bar, ...]:
        """The few bars that a sentence has room for: the cheapest, the dearest, and some that lie between."""
        return _spread(self.bars)


def about(predicted: bool) -> str:
    """The sign of what was predicted."""
    return "≈\u00a0" if predicted else ""


def headline(lead: Lead | None, frame: pd.DataFrame) -> str:
    """The answer in one sentence."""
    if lead is None:
        wrong = (frame.status == "disagrees").any()
        return "No right gradient was measured" if wrong else "No cell was measured"
    if not lead.measured:
        return "No cell was measured; predicted for the same gradient: " + _times(lead)
    if len(lead.bars) == 1:
        return f"One gradient by {lead.base}: {units.seconds(lead.bars[0].seconds)}"
    return "The same gradient: " + _times(lead)


def find_lead(frame: pd.DataFrame) -> Lead | None:
    """The reference scenario of this project where it is in the run, else the largest network with most cells.

    None where no cell has a time, neither measured nor predicted.
    """
    right = frame[(frame.status == "ok") & frame.time_median_s.notna()]
    shown = right if len(right) else frame[frame.status.isin(_NOT_RUN) & frame.predicted_time_s.notna()]
    if shown.empty:
        return None
    counts = shown.groupby(["scenario", "dtype"], sort=False).agg(
        strategies=("strategy", "size"), parameters=("parameters", "first")
    )
    place: Any = counts.sort_values(["parameters", "strategies"], kind="stable").index[-1]
    if SCENARIO in counts.index and counts.strategies[SCENARIO] > 1:
        place = SCENARIO
    cells = frame[(frame.scenario == place[0]) & (frame.dtype == place[1])]
    return _lead(cells, *map(str, place))


def _lead(cells: pd.DataFrame, scenario: str, dtype: str) -> Lead:
    ran = cells[(cells.status == "ok") & cells.time_median_s.notna()]
    base = _base(ran, "time_median_s") if len(ran) else None
    left_out = cells[cells.status.isin(_NOT_RUN) & cells.predicted_time_s.notna()]
    if base is None:
        base = _base(left_out, "predicted_time_s")
    unit = base.time_median_s if len(ran) else base.predicted_time_s
    bars = [_measured_bar(cell, base, unit) for cell in tuples(ran)]
    bars += [_predicted_bar(cell, unit) for cell in tuples(left_out)]
    usable = [bar for bar in bars if bar.ratio > 0 and math.isfinite(bar.ratio)]
    threads = f"{base.threads} thread{'s' if base.threads != 1 else ''}"
    title = (
        f"{base.network}, {base.parameters:,} parameters, batch {base.batch_size}, {base.dtype}, {threads}"
    )
    ordered = tuple(sorted(usable, key=lambda bar: bar.ratio))
    return Lead(scenario, dtype, title, str(base.strategy), ordered)


def _base(cells: pd.DataFrame, column: str) -> Any:
    """The short form, or else the fastest."""
    short = cells[cells.strategy == "short-form"]
    return next(tuples(short if len(short) else cells.sort_values(column, kind="stable")))


def _measured_bar(cell: Any, base: Any, unit: float) -> Bar:
    """By turns where the short form took them, too; without an interval where there is none."""
    ratio, low, high = cell.ratio_to_short_form, cell.ratio_low, cell.ratio_high
    if base.strategy != "short-form" or pd.isna(ratio):
        ratio, low, high = cell.time_median_s / unit, math.nan, math.nan
    known = not (pd.isna(low) or pd.isna(high))
    return Bar(
        str(cell.strategy),
        float(ratio),
        float(low) if known else None,
        float(high) if known else None,
        float(cell.time_median_s),
        predicted=False,
    )


def _predicted_bar(cell: Any, unit: float) -> Bar:
    seconds = float(cell.predicted_time_s)
    return Bar(str(cell.strategy), seconds / unit, None, None, seconds, predicted=True)


def _spread(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """At most four, the first and the last among them, as far apart on a logarithmic axis as may be."""
    chosen = [bars[0]]
    for bar in bars[1:]:
        if bar.ratio >= _APART * chosen[-1].ratio:
            chosen.append(bar)
    if chosen[-1] is not bars[-1] and len(bars) > 1:
        chosen = [*chosen[:-1], bars[-1]] if len(chosen) > 1 else [*chosen, bars[-1]]
    while len(chosen) > _NAMED:
        gaps = [chosen[k + 1].ratio / chosen[k - 1].ratio for k in range(1, len(chosen) - 1)]
        del chosen[1 + gaps.index(min(gaps))]
    return tuple(chosen)


def _times(lead: Lead) -> str:
    """1x, 255x, ≈ 473,000x the time."""
    words = [bar.text.replace("1.00x", "1x") for bar in lead.named]
    return ", ".join(dict.fromkeys(words)) + " the time"


def sentence(lead: Lead) -> str:
    """Who is who: what 1x is, and what the others in the headline are."""
    bars = {bar.strategy: bar for bar in lead.bars}
    base = bars[lead.base]
    others = [f"{bar.text} {bar.strategy}" for bar in lead.named if bar.strategy != lead.base]
    text = f"1x is {lead.base}, {about(base.predicted)}{units.seconds(base.seconds)} a gradient"
    return text + (f"; {', '.join(others)}." if others else ".")


def verdict(frame: pd.DataFrame) -> str:
    """Whether the gradients are right, and how many cells have no figures."""
    measured, wrong = int(frame.status.isin(MEASURED).sum()), frame[frame.status == "disagrees"]
    out = len(frame) - measured
    left = f"{out:,} {'cell was' if out == 1 else 'cells were'} left out, with reasons below."
    if len(wrong):
        names = sorted({f"{row.strategy} ({row.scenario}, {row.dtype})" for row in tuples(wrong)})
        return f"Wrong gradients, marked “disagrees” and not ranked: {', '.join(names)}. {left}"
    if measured == 0:
        return left if out else "The run holds no cell at all."
    cells = "The one measured cell is" if measured == 1 else f"All {measured:,} measured cells are"
    return f"{cells} within the tolerance of the error model. {left if out else 'No cell was left out.'}"

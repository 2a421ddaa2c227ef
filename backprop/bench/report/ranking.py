"""The one ranking of a run and its one answer in words, for terminal, Markdown and page alike.

A cell is a `Record`, or a row of a frame as `frame.tuples` gives it: both have the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop.bench.record import MEASURED, Description
from backprop.bench.report import units

HEADLINE = ("mnist-32", "float64")
"""Scenario and dtype that README shows, and that the page of a run opens with where the run has them."""

_NOT_RUN = ("over-time-budget", "over-memory-budget", "predicted")
"""Statuses of cells that were left out before they began: their predictions may stand beside measured times."""

# The order ----------------------------------------------------------------------------------------------


def ranked(cells: Iterable[Any]) -> list[Any]:
    """Right cells by time, then wrong cells by time, then cells that did not run, by predicted time."""
    return sorted(cells, key=_order)


def _order(cell: Any) -> tuple[float, ...]:
    """What cells are sorted by; a missing time comes last."""
    times = (cell.time_median_s, cell.predicted_time_s)
    group = {"ok": 0.0, "disagrees": 1.0}.get(cell.status, 2.0)
    return group, *(math.inf if units.missing(time) else float(time) for time in times)


def rank(cell: Any) -> str:
    """2, or 1-3 where the cell cannot be told from its neighbours; a wrong cell has no rank."""
    return units.rank(cell.rank_best, cell.rank_worst) if cell.status == "ok" else ""


def by_scenario(cells: Iterable[Any]) -> dict[tuple[str, str], list[Any]]:
    """The cells of every scenario and dtype, in the order in which the run has them."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for cell in cells:
        groups.setdefault((str(cell.scenario), str(cell.dtype)), []).append(cell)
    return groups


def ran(cell: Any) -> bool:
    """Whether the cell is right and was timed."""
    return cell.status == "ok" and not units.missing(cell.time_median_s)


def is_predicted(cell: Any) -> bool:
    """Whether a prediction stands in place of a time that was not measured."""
    return cell.status in _NOT_RUN and not units.missing(cell.predicted_time_s)


# The answer ---------------------------------------------------------------------------------------------

_NAMED = 4
"""How many strategies the headline has room for."""
_APART = 1.5
"""By which factor two strategies must differ for the headline to name both."""


@dataclass(frozen=True)
class Bar:
    """One strategy: its time ÷ that of the base, with the 95% interval where the turns gave one."""

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
    """The scenario that the answer is about.

    title: network, sizes and threads. base: the strategy of 1x. bars: every strategy, the cheapest first.
    """

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
        """The few bars that the headline names: the cheapest, the dearest, and some that lie between."""
        return _spread(self.bars)


@dataclass(frozen=True)
class Answer:
    """What a run says in words.

    headline: the answer, without a full stop. sentence: what 1x is and who the others are. verdict: whether the
    gradients are right, and how many cells have no figures. lead: None where no cell has a time.
    """

    lead: Lead | None
    headline: str
    sentence: str
    verdict: str


def answer(cells: Iterable[Any]) -> Answer:
    """The answer of these cells, of whatever scenarios."""
    cells = list(cells)
    lead = find_lead(cells)
    if lead is None:
        wrong = any(cell.status == "disagrees" for cell in cells)
        return Answer(None, f"No {'right gradient' if wrong else 'cell'} was measured", "", _verdict(cells))
    if not lead.measured:
        headline = "No cell was measured; predicted for the same gradient: " + _times(lead)
    elif len(lead.bars) == 1:
        headline = f"One gradient by {lead.base}: {units.seconds(lead.bars[0].seconds)}"
    else:
        headline = "The same gradient: " + _times(lead)
    return Answer(lead, headline, _sentence(lead), _verdict(cells))


def about(predicted: bool) -> str:
    """The sign before a predicted figure."""
    return "≈\u00a0" if predicted else ""


def find_lead(cells: Iterable[Any]) -> Lead | None:
    """The scenario of README where the run has it, else the one of the largest network with most strategies.

    None where no cell has a time, neither measured nor predicted.
    """
    cells = list(cells)
    groups = by_scenario(filter(ran, cells)) or by_scenario(filter(is_predicted, cells))
    if not groups:
        return None
    place = max(reversed(groups), key=lambda key: (groups[key][0].parameters, len(groups[key])))
    if len(groups.get(HEADLINE, ())) > 1:
        place = HEADLINE
    return _lead([cell for cell in cells if (cell.scenario, cell.dtype) == place])


def _lead(cells: Sequence[Any]) -> Lead:
    timed, left_out = list(filter(ran, cells)), list(filter(is_predicted, cells))
    base = _base(timed or left_out)
    unit = float(base.time_median_s if timed else base.predicted_time_s)
    bars = [_bar(cell, base, unit) for cell in [*timed, *left_out]]
    usable = [bar for bar in bars if bar.ratio > 0 and math.isfinite(bar.ratio)]
    return Lead(
        str(base.scenario),
        str(base.dtype),
        f"{base.network}, {base.parameters:,} parameters, batch {base.batch_size}, {base.dtype}, "
        + units.threads(base.threads),
        str(base.strategy),
        tuple(sorted(usable, key=lambda bar: bar.ratio)),
    )


def _base(cells: Sequence[Any]) -> Any:
    """The short form, or else the fastest."""
    return next((cell for cell in cells if cell.strategy == "short-form"), ranked(cells)[0])


def _bar(cell: Any, base: Any, unit: float) -> Bar:
    """The ratio and interval that the turns gave; where they gave none, the time ÷ `unit`, both in seconds."""
    predicted = not ran(cell)
    seconds = float(cell.predicted_time_s if predicted else cell.time_median_s)
    if cell is base:
        return Bar(str(cell.strategy), 1.0, None, None, seconds, predicted)
    if predicted or base.strategy != "short-form" or units.missing(cell.ratio_to_short_form):
        return Bar(str(cell.strategy), seconds / unit, None, None, seconds, predicted)
    known = not (units.missing(cell.ratio_low) or units.missing(cell.ratio_high))
    low, high = (float(cell.ratio_low), float(cell.ratio_high)) if known else (None, None)
    return Bar(str(cell.strategy), float(cell.ratio_to_short_form), low, high, seconds, predicted)


def _spread(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """At most four bars, the first and the last among them, as far apart on a logarithmic axis as may be."""
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


def _sentence(lead: Lead) -> str:
    base = next(bar for bar in lead.bars if bar.strategy == lead.base)
    others = [f"{bar.text} {bar.strategy}" for bar in lead.named if bar is not base]
    text = f"1x is {lead.base}, {about(base.predicted)}{units.seconds(base.seconds)} a gradient"
    return text + (f"; {', '.join(others)}." if others else ".")


def _verdict(cells: Sequence[Any]) -> str:
    measured = sum(cell.status in MEASURED for cell in cells)
    out = len(cells) - measured
    left = f"{out:,} {'cell was' if out == 1 else 'cells were'} left out, with reasons below."
    wrong = {f"{c.strategy} ({c.scenario}, {c.dtype})" for c in cells if c.status == "disagrees"}
    if wrong:
        return f"Wrong gradients, marked “disagrees” and not ranked: {', '.join(sorted(wrong))}. {left}"
    if measured == 0:
        return left if out else "The run holds no cell at all."
    said = "The one measured cell is" if measured == 1 else f"All {measured:,} measured cells are"
    return f"{said} within the tolerance of the error model. {left if out else 'No cell was left out.'}"


# What may be concluded ----------------------------------------------------------------------------------

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
            f"{pairs:,} pair{'s' if pairs != 1 else ''} of cells compared. One is called faster where "
            f"p < {SIGNIFICANCE}, the factor exceeds {SMALLEST_CLAIM} and the noise floor, and the claim holds among "
            "all pairs at once (Holm): with a probability of 95% none is false. A rank such as 1-3 is of a cell that "
            "cannot be told from its neighbours."
        ]
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

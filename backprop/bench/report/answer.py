"""The one answer of a run in words, for terminal, Markdown and page alike: who is how many times slower."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backprop import units
from backprop.bench.record import MEASURED, SHORT_FORM, Record, by_scenario
from backprop.bench.report.ranking import HEADLINE, is_predicted, ran, ranked

UNSTABLE = "Unstable: do not publish."
"""What a headline begins with where one of its figures is not to be trusted."""
_NAMED = 4
"""How many strategies the headline has room for."""
_APART = 1.5
"""By which factor two strategies must differ for the headline to name both."""
_AS_EXACT = 100.0
"""An exact derivation may err by so many times what the base may: differences and estimates err by far more."""
_MOST_DIGITS = 16
"""Decimal digits of float64."""


@dataclass(frozen=True)
class Bar:
    """One strategy: its time ÷ that of the base, with the 95% interval where the turns gave one.

    memory: bytes, or None where unknown. digits: how many decimal digits of the gradient are right. exact: whether
    its error model allows about as little as that of the base. unstable: whether its time is not to be trusted.
    """

    strategy: str
    ratio: float
    low: float | None
    high: float | None
    seconds: float
    predicted: bool
    memory: float | None = None
    digits: int | None = None
    exact: bool = False
    unstable: bool = False

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

    @property
    def compared(self) -> tuple[Bar, ...]:
        """The base, and the dearest exact derivation beside it; of what was measured alone."""
        measured = [bar for bar in self.bars if not bar.predicted]
        base = [bar for bar in measured if bar.strategy == self.base]
        others = [bar for bar in measured if bar.strategy != self.base]
        return (*base[:1], *sorted(others, key=lambda bar: (bar.exact, bar.ratio))[-1:])


@dataclass(frozen=True)
class Answer:
    """What a run says in words.

    lead: None where no cell has a time. warning: `UNSTABLE` where a figure of the headline or of the sentence is
    unstable, else empty. claim: the headline without the warning. sentence: what the dearest exact derivation costs.
    verdict: whether the gradients are right, and how many cells have no figures. doubt: how many cells are unstable;
    empty where none is.
    """

    lead: Lead | None
    warning: str
    claim: str
    sentence: str
    verdict: str
    doubt: str

    @property
    def headline(self) -> str:
        """The answer in a line, without a full stop; what is not to be published says so first."""
        return " ".join(filter(None, [self.warning, self.claim]))


def answer(cells: Iterable[Record]) -> Answer:
    """The answer of these cells, of whatever scenarios."""
    cells = list(cells)
    lead = find_lead(cells)
    verdict, doubt = _verdict(cells), _doubt(cells)
    if lead is None:
        wrong = any(cell.status == "disagrees" for cell in cells)
        claim = f"No {'right gradient' if wrong else 'cell'} was measured"
        return Answer(None, "", claim, "", verdict, doubt)
    if not lead.measured:
        claim = "No cell was measured; predicted for the same gradient: " + _times(lead)
    elif len(lead.bars) == 1:
        claim = f"One gradient by {lead.base}: {units.seconds(lead.bars[0].seconds)}"
    else:
        claim = "The same gradient: " + _times(lead)
    warned = any(bar.unstable for bar in (*lead.named, *lead.compared))
    return Answer(lead, UNSTABLE if warned else "", claim, _sentence(*lead.compared), verdict, doubt)


def conclusion(cells: Sequence[Record]) -> list[str]:
    """The lines below a ranking: the answer in one sentence, and how many cells are not to be published.

    Nothing is said of times where cells were measured and none was timed, as in a verification.
    """
    said = answer(cells)
    if said.lead is None or (not said.lead.measured and any(cell.status in MEASURED for cell in cells)):
        return []
    place = f"{said.lead.scenario}, {said.lead.dtype}:" if len(by_scenario(cells)) > 1 else ""
    claim = "" if len(said.lead.compared) == 2 else f"{said.claim}."
    line = " ".join(filter(None, [said.warning, place, claim, said.sentence]))
    return list(filter(None, [line, said.doubt]))


def about(predicted: bool) -> str:
    """The sign before a predicted figure."""
    return "≈\u00a0" if predicted else ""


def find_lead(cells: Iterable[Record]) -> Lead | None:
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


def _lead(cells: Sequence[Record]) -> Lead:
    timed, left_out = list(filter(ran, cells)), list(filter(is_predicted, cells))
    base = _base(timed or left_out)
    unit = _seconds(base)
    bars = [_bar(cell, base, unit) for cell in [*timed, *left_out]]
    usable = [bar for bar in bars if bar.ratio > 0 and math.isfinite(bar.ratio)]
    return Lead(
        base.scenario,
        base.dtype,
        f"{base.network}, {base.parameters:,} parameters, batch {base.batch_size}, {base.dtype}, "
        + units.threads(base.threads),
        base.strategy,
        tuple(sorted(usable, key=lambda bar: bar.ratio)),
    )


def _base(cells: Sequence[Record]) -> Record:
    """The short form, or else the fastest."""
    return next((cell for cell in cells if cell.strategy == SHORT_FORM), ranked(cells)[0])


def _bar(cell: Record, base: Record, unit: float) -> Bar:
    """The ratio and interval that the turns gave; where they gave none, the time ÷ `unit`, both in seconds."""
    predicted = not ran(cell)
    seconds = _seconds(cell)
    ratio, low, high = seconds / unit, None, None
    if cell is base:
        ratio = 1.0
    elif not predicted and base.strategy == SHORT_FORM and cell.ratio_to_short_form is not None:
        ratio, low, high = cell.ratio_to_short_form, cell.ratio_low, cell.ratio_high
    return Bar(
        cell.strategy,
        ratio,
        low,
        high,
        seconds,
        predicted,
        memory=cell.peak_bytes,
        digits=_digits(cell.gradient_error),
        exact=bool(cell.tolerance and base.tolerance and cell.tolerance <= _AS_EXACT * base.tolerance),
        unstable=not predicted and bool(cell.unstable),
    )


def _seconds(cell: Record) -> float:
    """The measured time or the predicted one: a cell of an answer has one of them."""
    return (cell.time_median_s if ran(cell) else cell.predicted_time_s) or math.nan


def _digits(error: float | None) -> int | None:
    """How many decimal digits are right where the relative error is this; None where it is not known."""
    if error is None or not 0 < error < math.inf:
        return None
    return min(round(-math.log10(error)), _MOST_DIGITS)


def _spread(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """At most four bars, with the first and the last: those that lie farthest apart on a logarithmic axis."""
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


def _sentence(base: Bar | None = None, dearest: Bar | None = None) -> str:
    """What the dearest derivation takes beside the base, or what the base takes where it is alone."""
    if base is None:
        return ""
    if dearest is None:
        return _needs(base)
    memory = ""
    if base.memory and dearest.memory is not None:
        memory = f"{units.times(dearest.memory / base.memory)} the memory"
    if dearest.low is not None and dearest.high is not None and dearest.low <= 1 <= dearest.high:
        said = f"{dearest.strategy} takes as long as {base.strategy}, within the noise"
        said += f", and {memory}" if memory else ""
    else:
        taken = " and ".join(filter(None, [f"{units.times(dearest.ratio)} the time", memory]))
        said = f"{dearest.strategy} takes {taken} of {base.strategy}"
    return f"{said}{_precision(base.digits, dearest.digits)}."


def _needs(bar: Bar) -> str:
    """Memory and digits of a strategy that stands alone; its time is in the headline."""
    memory = "" if bar.memory is None else f"needs {units.data_size(bar.memory)} of memory"
    digits = "" if bar.digits is None else f"gives a gradient with {bar.digits} right digits"
    known = " and ".join(filter(None, [memory, digits]))
    return f"{bar.strategy} {known}." if known else ""


def _precision(own: int | None, other: int | None) -> str:
    """For the same 16 right digits, for 10 instead of 16, or for a rough estimate; empty where one is not known."""
    if own is None or other is None:
        return ""
    if abs(own - other) <= 1:  # 15.6 and 15.4 digits are no difference
        return f", for the same {min(own, other)} right digits"
    return f", for {other} right digits instead of {own}" if other > 0 else ", for a rough estimate"


def _verdict(cells: Sequence[Record]) -> str:
    measured = sum(cell.status in MEASURED for cell in cells)
    out = len(cells) - measured
    left = f"{out:,} {'cell was' if out == 1 else 'cells were'} left out, with reasons below."
    left = left if out else "No cell was left out."
    wrong = {f"{c.strategy} ({c.scenario}, {c.dtype})" for c in cells if c.status == "disagrees"}
    if wrong:
        return f"Wrong gradients, marked “disagrees” and not ranked: {', '.join(sorted(wrong))}. {left}"
    if measured == 0:
        return left if out else "The run holds no cell at all."
    said = "The one measured gradient is" if measured == 1 else f"All {measured:,} measured gradients are"
    return f"{said} right, within the tolerance of the error model. {left}"


def _doubt(cells: Sequence[Record]) -> str:
    measured = [cell for cell in cells if cell.status in MEASURED]
    bad = sum(bool(cell.unstable) for cell in measured)
    if not bad:
        return ""
    if bad == len(measured):
        them = "The one measured cell is" if bad == 1 else f"All {bad:,} measured cells are"
        return f"{them} unstable: do not publish."
    return (
        f"{bad:,} of {len(measured):,} measured cells {'is' if bad == 1 else 'are'} unstable, and marked so in the "
        f"ranking: do not publish {'its time' if bad == 1 else 'their times'}."
    )

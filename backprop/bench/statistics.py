"""Statistics of turns: intervals, tests of difference, noise floor, scaling exponents, and how many starts to take.

A fresh process is a *start*, and gives several turns. Where its memory happens to lie is worth some per cent to all
of its turns, so that turns of one start are not independent. The start is therefore the unit (Kalibera and Jones
2013, "Rigorous benchmarking in reasonable time"; Barrett et al. 2017, "Virtual machine warmup blows hot and cold"):

    y_k = log of the median over the turns of start k       of times, or of ratios formed turn by turn
    ȳ ± t(s - 1) · sd(y) / √s                               Student's t over s starts; the estimate is exp(ȳ)

Two strategies that took the same turns are compared by the ratios of these turns (paired), two that did not by the
difference of their ȳ (Welch 1947, degrees of freedom by Satterthwaite). Everything is closed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop import units
from backprop.arrays import Array

Starts = Sequence[Sequence[float]]
"""Samples by start: one sequence of turns for every fresh process."""

SMALLEST_CLAIM = 1.05
"""A smaller factor is never claimed, however sure: nobody acts on it."""
SIGNIFICANCE = 0.002
FAMILY_SIGNIFICANCE = 0.05
"""The chance of one false claim or more among all comparisons of a report (Holm 1979)."""
STARTS_TO_CLAIM = 6
"""With a spread of 1% between starts 10% is found in 73% of runs of 4 starts, and in nearly all of 6."""
POWER = 0.9
"""A difference that *would have been found* is one that nine of ten such runs find."""
CONFIDENCE = 0.95
"""The probability with which every interval holds the truth."""
SAME = "same within noise"


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; the ends are NaN where one start alone gives no interval."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether there were two starts or more."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class LogMean:
    """A mean of logarithms, its standard error and its degrees of freedom: numbers, or arrays of one shape.

    Without a spread, because there is one start, the error is NaN and the degrees of freedom are 0.
    """

    mean: Any
    error: Any
    freedom: Any

    def reach(self) -> Any:
        """How far the 95% interval goes to either side of the mean."""
        return quantile((1 + CONFIDENCE) / 2, self.freedom) * self.error

    @property
    def p_value(self) -> Any:
        """Of a two-sided t-test that the mean is zero, so that a ratio is one; 1 where nothing can be tested."""
        from scipy.special import stdtr

        with np.errstate(invalid="ignore", divide="ignore"):
            p = 2 * stdtr(self.freedom, -np.abs(np.divide(self.mean, self.error)))
        return np.where(np.isnan(p), 1.0, p)[()]

    @property
    def detectable(self) -> Any:
        """The smallest factor that would have been found: p < `SIGNIFICANCE` in nine of ten runs like this one.

        By the distribution of t where there is a difference, Student's non-central t.
        """
        from scipy.special import nctdtrinc

        found = nctdtrinc(self.freedom, 1 - POWER, quantile(1 - SIGNIFICANCE / 2, self.freedom))
        return np.exp(found * self.error)

    @property
    def estimate(self) -> Estimate:
        """The time or ratio itself, with its 95% interval."""
        reach = self.reach()
        return Estimate(*(float(np.exp(end)) for end in (self.mean, self.mean - reach, self.mean + reach)))


def quantile(share: float, freedom: Any) -> Any:
    """Student's t below which this share lies; NaN without a degree of freedom."""
    from scipy.special import stdtrit

    return np.where(np.asarray(freedom) > 0, stdtrit(np.maximum(freedom, 1e-9), share), np.nan)[()]


def log_medians(starts: Starts) -> Array:
    """y (s,): the logarithm of the median over its turns of every start that has one."""
    return np.log([np.median(turns) for turns in starts if len(turns)])


def over_starts(y: Array) -> LogMean:
    """The mean over the starts, which are the last axis."""
    count = y.shape[-1]
    if count < 2:
        return LogMean(y.mean(axis=-1), np.full(y.shape[:-1], np.nan)[()], 0)
    return LogMean(y.mean(axis=-1), y.std(axis=-1, ddof=1) / math.sqrt(count), count - 1)


def combined(weights: Sequence[float], means: Sequence[LogMean]) -> LogMean:
    """Σ w · mean of independent means, with degrees of freedom by Satterthwaite (1946)."""
    variances = [(w * one.error) ** 2 for w, one in zip(weights, means, strict=True)]
    total = sum(variances)
    with np.errstate(invalid="ignore", divide="ignore"):
        # 0 where all starts are equal: then every t is infinite.
        parts = sum(np.divide(v**2, one.freedom) for v, one in zip(variances, means, strict=True))
        freedom = np.where(total > 0, np.divide(total**2, parts), np.where(total == 0, 1.0, 0.0))[()]
    return LogMean(sum(w * one.mean for w, one in zip(weights, means, strict=True)), np.sqrt(total), freedom)


def time_of(starts: Starts) -> LogMean:
    """The time of a call."""
    return over_starts(log_medians(starts))


def ratio_of(own: Starts, other: Starts, together: bool) -> LogMean:
    """own ÷ other; `together`: whether both took the same turns, of the same starts."""
    if together:
        return time_of(turn_ratios(own, other))
    return combined((1, -1), (time_of(own), time_of(other)))


def turn_ratios(own: Starts, other: Starts) -> list[list[float]]:
    """own ÷ other for every turn that both took part in, by start."""
    return [
        [a / b for a, b in zip(mine, others, strict=False)]
        for mine, others in zip(own, other, strict=False)
        if len(mine) and len(others)
    ]


def noise_floor(ratio: LogMean) -> float | None:
    """The factor by which an A/A pair may seem to differ: the far end of the interval of its ratio."""
    floor = float(np.exp(abs(ratio.mean) + ratio.reach()))
    return None if math.isnan(floor) else floor


# Claims -----------------------------------------------------------------------------------------------


def verdict(ratio: LogMean, starts: int, floor: float | None, sure: bool = True) -> str:
    """`faster`, `slower` or `same within noise`; with too few starts, why nothing is claimed.

    A difference is claimed where p < 0.002 and the factor exceeds `SMALLEST_CLAIM` and the noise floor;
    `sure`: whether it also holds among all comparisons of a report (`holm`).
    """
    if starts < STARTS_TO_CLAIM:
        return too_few(starts)
    factor = math.exp(abs(ratio.mean))
    if not sure or ratio.p_value >= SIGNIFICANCE or factor <= max(SMALLEST_CLAIM, floor or 1.0):
        return SAME
    return "slower" if ratio.mean > 0 else "faster"


def too_few(starts: int) -> str:
    """What is said instead of a verdict."""
    return f"no claim: {units.counted(starts, 'start')}, expected at least {STARTS_TO_CLAIM}"


def holm(p_values: Sequence[float]) -> list[bool]:
    """Which of many comparisons are sure together: at most 5% of such families hold one false claim or more.

    Holm's step-down test (1979): the smallest p must be at most 0.05 ÷ m, the next 0.05 ÷ (m - 1), and so on.
    """
    order = np.argsort(p_values, kind="stable")
    left = len(p_values) - np.arange(len(p_values))
    passed = np.logical_and.accumulate(np.asarray(p_values)[order] * left <= FAMILY_SIGNIFICANCE)
    sure = np.empty(len(p_values), bool)
    sure[order] = passed
    return [bool(one) for one in sure]


def share_of(count: int, total: int) -> Estimate:
    """count ÷ total with its exact 95% interval (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    low = float(betaincinv(count, total - count + 1, (1 - CONFIDENCE) / 2)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, (1 + CONFIDENCE) / 2)) if count < total else 1.0
    return Estimate(count / total, low, high)


# Planning ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How many starts to have in all, and how many turns each further start should take."""

    starts: int
    turns: int


def plan(
    ratios: Starts, start_s: float, turn_s: float, precision: float | None, claim: float | None, most: int
) -> Plan:
    """The starts and turns by which the interval reaches at most `precision` to either side, and `claim` is found.

    Both are shares: 0.02 is 2%. Turns by the cost model of Kalibera and Jones (2013, section 6): where a start costs
    start_s and a turn turn_s, √(start_s ÷ turn_s · variance within starts ÷ variance between them) turns make the
    most of the time. The variance of the starts' own medians, as they were measured, gives the number of starts,
    at most `most`.
    """
    y = log_medians(ratios)
    within = float(np.mean([np.var(np.log(turns), ddof=1) for turns in ratios if len(turns) > 1] or 0.0))
    measured = float(y.var(ddof=1))
    per_start = float(np.mean([len(turns) for turns in ratios if len(turns)]))
    between = max(measured - _MEDIAN_COST * within / per_start, 0.0)
    turns = math.sqrt(start_s / turn_s * within / between) if between else math.inf
    starts = len(y)
    while starts < most:
        mean = LogMean(0.0, math.sqrt(measured / starts), starts - 1)
        narrow = precision is None or mean.reach() <= math.log1p(precision)
        if narrow and (claim is None or mean.detectable <= 1 + claim):
            break
        starts += 1
    return Plan(starts, max(_FEWEST_TURNS, min(_MOST_TURNS, round(min(turns, _MOST_TURNS)))))


_MEDIAN_COST = math.pi / 2
"""The variance of a median of many normal values ÷ that of their mean."""
_FEWEST_TURNS, _MOST_TURNS = 3, 16


# Over scenarios and sizes -----------------------------------------------------------------------------


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean that treats a factor and its inverse alike; NaN of nothing."""
    return float(np.exp(np.mean(np.log(ratios)))) if len(ratios) else float("nan")


def fit_exponent(sizes: Sequence[float], values: Iterable[float]) -> Estimate:
    """The exponent k of value ~ size**k by least squares in logarithms, with a 95% interval.

    The interval is Student's t with the residuals' degrees of freedom, points - 2: of two points there is none.
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.array(list(values), dtype=float))
    if len(x) == 2:
        return Estimate(float(np.polyfit(x, y, 1)[0]))
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    reach = float(LogMean(slope, math.sqrt(covariance[0, 0]), len(x) - 2).reach())
    return Estimate(float(slope), float(slope) - reach, float(slope) + reach)

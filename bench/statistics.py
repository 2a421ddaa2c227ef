"""Statistics of turns: medians, intervals, the noise floor, tests of difference, scaling exponents.

Samples come in starts: a fresh process gives several turns, and where its memory happens to lie is worth
some per cent to all of them. Turns of one start are therefore no independent samples. Every interval
resamples starts first and turns within them second (hierarchical bootstrap, Davison and Hinkley 1997,
section 3.8), and a difference is tested between starts where there are enough of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backprop.arrays import Array

Starts = Sequence[Sequence[float]]
"""Samples by start: one sequence of turns for every fresh process."""

SMALLEST_CLAIM = 1.05
"""A factor below this is never claimed, however sure: nobody acts on it."""
SIGNIFICANCE = 0.002
STARTS_TO_TEST = 10
"""With fewer starts no rank test between them can reach the significance: 2 / 2¹⁰ = 0.00195."""
_FEWEST_FOR_WELCH = 3
"""Two times tell next to nothing of their spread."""
_RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


Verdict = Literal["faster", "slower", "same within noise"]


@dataclass(frozen=True)
class Difference:
    """A ratio of times, how sure it is that it is not one, and what may be said of it."""

    ratio: Estimate
    p_value: float
    verdict: Verdict


def estimate_median(starts: Starts, rng: np.random.Generator) -> Estimate:
    """The median over starts of their medians, with a hierarchical bootstrap interval."""
    medians = np.array([np.median(turns) for turns in starts])
    resampled = resampled_medians(starts, rng)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(np.median(medians)), float(low), float(high))


def estimate_ratio(own: Starts, other: Starts, rng: np.random.Generator) -> Estimate:
    """The median of own ÷ other, formed turn by turn, with its interval; both took the same turns."""
    return estimate_median(turn_ratios(own, other), rng)


def turn_ratios(own: Starts, other: Starts) -> list[list[float]]:
    """own ÷ other for every turn that both took part in, by start."""
    return [
        [a / b for a, b in zip(mine, others, strict=False)]
        for mine, others in zip(own, other, strict=False)
        if len(mine) and len(others)
    ]


def noise_floor(first: Starts, second: Starts, rng: np.random.Generator) -> float:
    """The factor by which an A/A pair may seem to differ: the far end of the interval of its ratio."""
    ratio = estimate_ratio(first, second, rng)
    return max(ratio.high, 1 / ratio.low)


def compare(own: Starts, other: Starts, floor: float, rng: np.random.Generator) -> Difference:
    """Whether `own` takes longer or shorter than `other`, turn by turn.

    A difference is claimed where a rank test, or a t-test of very few times, gives p < 0.002 and the factor exceeds
    both `SMALLEST_CLAIM` and the noise floor.
    """
    ratios = turn_ratios(own, other)
    ratio = estimate_median(ratios, rng)
    p_value = _rank_test(ratios, own, other)
    return Difference(ratio, p_value, _verdict(ratio.value, p_value, floor))


def _verdict(ratio: float, p_value: float, floor: float) -> Verdict:
    factor = max(ratio, 1 / ratio)
    if p_value < SIGNIFICANCE and factor > max(SMALLEST_CLAIM, floor):
        return "slower" if ratio > 1 else "faster"
    return "same within noise"


def _rank_test(ratios: Starts, own: Starts, other: Starts) -> float:
    """The p-value of a rank test that there is no difference.

    Wilcoxon's signed ranks of the logarithms of the ratios: between starts where there are enough of them,
    else between turns. A slow strategy has too few of either; its times are then compared with all times of
    the other by the test of Mann and Whitney. Of two slow ones there may be so few that no ranks could reach
    the significance, even where one takes ten times as long: then Welch's t-test of the logarithms of the times.
    """
    from scipy.stats import mannwhitneyu, ttest_ind, wilcoxon

    everything = np.concatenate([np.asarray(turns, dtype=float) for turns in ratios])
    if len(everything) < STARTS_TO_TEST:
        times = np.concatenate(own), np.concatenate(other)
        if 2 / math.comb(sum(map(len, times)), len(times[0])) < SIGNIFICANCE:
            return float(mannwhitneyu(*times, method="exact").pvalue)
        if min(map(len, times)) < _FEWEST_FOR_WELCH:
            return 1.0
        p_value = float(ttest_ind(*map(np.log, times), equal_var=False).pvalue)
        return p_value if p_value == p_value else 1.0  # NaN: the same number throughout
    by_start = len(ratios) >= STARTS_TO_TEST
    logarithms = np.log([np.median(turns) for turns in ratios] if by_start else everything)
    if not np.any(logarithms):
        return 1.0
    return float(wilcoxon(logarithms, method="auto").pvalue)


def resampled_medians(starts: Starts, rng: np.random.Generator) -> Array:
    """The medians over starts of medians (2000,) for resampled starts and resampled turns within them."""
    counts = np.array([len(turns) for turns in starts])
    padded = np.full((len(starts), counts.max()), np.nan)
    for row, turns in zip(padded, starts, strict=True):
        row[: len(turns)] = turns
    chosen = rng.integers(0, len(starts), (_RESAMPLES, len(starts)))
    width = counts[chosen][:, :, None]
    turn = (rng.random((*chosen.shape, counts.max())) * width).astype(np.intp)
    drawn = padded[chosen[:, :, None], turn]
    if counts.min() == counts.max():
        by_start = np.median(drawn, axis=2)
    else:
        drawn[np.arange(counts.max()) >= width] = np.nan  # a start with few turns gives as few
        by_start = np.nanmedian(drawn, axis=2)
    medians: Array = np.median(by_start, axis=1)
    return medians


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean that treats a factor and its inverse alike; NaN of nothing."""
    return float(np.exp(np.mean(np.log(ratios)))) if len(ratios) else float("nan")


def fit_exponent(sizes: Sequence[float], values: Sequence[Estimate], rng: np.random.Generator) -> Estimate:
    """The exponent k of value ~ size**k by least squares in logarithms, with a 95% interval.

    The interval covers the points' own intervals and the scatter around the line: points are drawn from
    their intervals, and residuals are resampled.
    """
    x = np.log(np.asarray(sizes, dtype=float))
    y = np.log([value.value for value in values])
    spread = np.log([value.high / value.low for value in values]) / (2 * 1.96)
    slope, intercept = np.polyfit(x, y, 1)
    residuals = y - (slope * x + intercept)
    inflation = np.sqrt(len(x) / max(1, len(x) - 2))  # a fitted line leaves residuals too small
    size = (_RESAMPLES // 2, len(x))
    scatter = rng.choice(residuals, size) * inflation
    drawn = slope * x + intercept + scatter + rng.standard_normal(size) * spread
    slopes = np.polyfit(x, drawn.T, 1)[0]
    low, high = np.percentile(slopes, [2.5, 97.5])
    return Estimate(float(slope), float(low), float(high))


def unstable(starts: Starts, steal_share: float, throttled: int = 0) -> str:
    """Why a cell's times are not to be trusted, in words; empty where nothing speaks against them."""
    reasons = []
    medians = np.array([np.median(turns) for turns in starts])
    if len(medians) >= 4:
        for k, median in enumerate(medians):
            rest = np.delete(medians, k)
            deviation = abs(median / np.median(rest) - 1)
            scatter = np.median(np.abs(rest / np.median(rest) - 1))
            if deviation > max(0.15, 6 * scatter):
                reasons.append(f"start {k + 1} differs by {deviation:.0%}")
    everything = np.concatenate([np.asarray(turns, dtype=float) for turns in starts])
    if len(everything) >= 8:
        half = len(everything) // 2
        drift = float(np.median(everything[half:]) / np.median(everything[:half]))
        if not 1 / 1.2 < drift < 1.2:
            reasons.append(f"drift: the second half took {drift:.2f} times the first")
    if steal_share > 0.02:
        reasons.append(f"{steal_share:.0%} of the processor's time was stolen by the host")
    if throttled:
        reasons.append(f"the processor slowed down {throttled} times because it was hot")
    return "; ".join(reasons)

"""Stability: what speaks against the times of a cell, in words."""

from __future__ import annotations

import math

import numpy as np

from backprop.bench.statistics import SIGNIFICANCE, SMALLEST_CLAIM, Starts, time_of

# The bounds are chosen so that undisturbed starts pass, and a disturbed one is seen.
_FEWEST_STARTS, _APART, _SCATTERS = 4, 0.15, 6
"""Of so many starts, one is named whose median differs from that of the others by this share and so many scatters."""
_FEWEST_TURNS, _DRIFT = 8, 1.2
"""Of so many turns, the second half is held against the first, and may take so many times as long."""
_STOLEN = 0.02
"""Of the processor's time: what the host of a virtual machine may take."""


def unstable(starts: Starts, steal_share: float, throttled: int = 0) -> str:
    """Why a cell's times are not to be trusted, in words; empty where nothing speaks against them."""
    reasons = []
    medians = np.array([np.median(turns) for turns in starts])
    if len(medians) >= _FEWEST_STARTS:
        for k, median in enumerate(medians):
            rest = np.delete(medians, k)
            deviation = abs(median / np.median(rest) - 1)
            scatter = np.median(np.abs(rest / np.median(rest) - 1))
            if deviation > max(_APART, _SCATTERS * scatter):
                reasons.append(f"start {k + 1} differs by {deviation:.0%}")
    everything = np.concatenate([np.asarray(turns, dtype=float) for turns in starts])
    if len(everything) >= _FEWEST_TURNS:
        half = len(everything) // 2
        drift = float(np.median(everything[half:]) / np.median(everything[:half]))
        if not 1 / _DRIFT < drift < _DRIFT:
            reasons.append(f"drift: the second half took {drift:.2f} times the first")
    if steal_share > _STOLEN:
        reasons.append(f"{steal_share:.0%} of the processor's time was stolen by the host")
    if throttled:
        reasons.append(f"the processor slowed down {throttled} times because it was hot")
    return "; ".join(reasons)


def first_turns(starts: Starts) -> float | None:
    """The first turn of a start ÷ the median of its other turns, where it differs over the starts; else None."""
    ratios = [[turns[0] / float(np.median(turns[1:]))] for turns in starts if len(turns) > 1]
    if len(ratios) < 2:
        return None
    first = time_of(ratios)
    factor = math.exp(first.mean)
    return factor if first.p_value < SIGNIFICANCE and max(factor, 1 / factor) > SMALLEST_CLAIM else None

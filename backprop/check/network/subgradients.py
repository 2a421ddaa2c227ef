"""Subgradients: what a right gradient may say where an activation has a kink within rounding of its input.

A pre-activation z at a kink, or so close that rounding decides its side, may be given any slope between those of both
sides. Most gradients take one convention for all: the slope on the left (as z > 0 does), that on the right (as z >= 0
does), or the mean of both. Where none of these is what was taken, the slopes are found one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.check.network.rounding import Rounding
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.verify import reference_gradient

CONVENTIONS = (0.0, 1.0, 0.5)
"""The share of the way from the slope on the left to that on the right."""
_MOST_ONE_BY_ONE, _SWEEPS = 24, 3
"""Kinks whose slopes are tried one by one, at most, and how often all of them: each trial is a backward pass."""


def by_convention(bounds: Rounding, share: float) -> dict[int, Array]:
    """The slopes that one convention takes at kinks, by layer, NaN elsewhere."""
    return {
        k: np.where(mask, left + share * (right - left), np.nan)
        for k, mask in bounds.kinked.items()
        for left, right in [bounds.slopes[k]]
    }


def nearest_subgradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    got: Mapping[str, Array],
    bounds: Rounding,
) -> tuple[Parameters, Mapping[int, Array]]:
    """The subgradient that `got` is nearest to, and its slopes at kinks by layer."""

    def distance(trial: Mapping[int, Array]) -> tuple[int, float]:
        return _distance(reference_gradient(network, params, batch, trial, np.float64), got, bounds.bound)

    conventions = [by_convention(bounds, share) for share in CONVENTIONS]
    slopes: Mapping[int, Array] = min(conventions, key=distance)
    best = distance(slopes)
    places = [(k, *place) for k, mask in bounds.kinked.items() for place in np.argwhere(mask)]
    for _ in range(_SWEEPS if best[0] and len(places) <= _MOST_ONE_BY_ONE else 0):
        before = best
        for k, n, o in places:
            for convention in conventions:
                trial = {**slopes, k: slopes[k].copy()}
                trial[k][n, o] = convention[k][n, o]
                found = distance(trial)
                if found < best:
                    best, slopes = found, trial
        if best == before:
            break
    return reference_gradient(network, params, batch, slopes), slopes


def _distance(truth: Parameters, got: Mapping[str, Array], bound: Parameters) -> tuple[int, float]:
    """The number of entries beyond their bounds, and the root mean square of the errors in units of the bounds."""
    errors = [(np.abs(got[name] - truth[name]) / bound[name]).ravel() for name in truth if name in got]
    if not errors:
        return 0, 0.0
    error = np.concatenate(errors).astype(np.float64)
    return int(np.sum(error > 1)), float(np.sqrt(np.mean(np.square(error))))

"""Subgradients: what a right gradient may say where an activation has a kink within rounding of its input.

A pre-activation z at a kink, or so close that rounding decides its side, may be given any slope between those of both
sides. Most gradients take one convention for all: the slope on the left (as z > 0 does), that on the right (as z >= 0
does), or the mean of both. Where none of these is what was taken, the slopes are found one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from backprop.arrays import Array
from backprop.check.network.rounding import Rounding
from backprop.layers import Elementwise
from backprop.network import Batch, Network
from backprop.parameters import Parameters

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


def subgradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    slopes: Mapping[int, Array],
    dtype: DTypeLike = np.longdouble,
) -> Parameters:
    """dL/dθ in `dtype`, with the slopes given by layer, (n, o), where they are not NaN."""
    network, wide = network.short, params.astype(dtype)
    tensors = network.local(wide)
    values = network.activations(wide, batch.inputs.astype(dtype))
    gradient = Parameters.empty(network.layout, dtype)
    out = network.local(gradient)
    delta = network.loss_function.gradient(values[-1], batch.labels)
    for k in reversed(range(len(network.layers))):
        layer, x, y = network.layers[k], values[k], values[k + 1]
        if k in slopes and isinstance(layer, Elementwise):
            own = np.asarray(layer.derivative(x, y), delta.dtype)
            delta = delta * np.where(np.isnan(slopes[k]), own, slopes[k]).astype(delta.dtype)
            continue
        dx, _ = layer.vjp(tensors[k], x, y, delta, input_needed=k > 0, dparams=out[k])
        delta = delta if dx is None else dx
    return gradient


def nearest_subgradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    got: Mapping[str, Array],
    bounds: Rounding,
) -> tuple[Parameters, Mapping[int, Array]]:
    """The subgradient that `got` is nearest to, and its slopes at kinks by layer."""

    def distance(trial: Mapping[int, Array]) -> tuple[int, float]:
        return _distance(subgradient(network, params, batch, trial, np.float64), got, bounds.bound)

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
    return subgradient(network, params, batch, slopes), slopes


def _distance(truth: Parameters, got: Mapping[str, Array], bound: Parameters) -> tuple[int, float]:
    """The number of entries beyond their bounds, and the root mean square of the errors in units of the bounds."""
    errors = [(np.abs(got[name] - truth[name]) / bound[name]).ravel() for name in truth if name in got]
    if not errors:
        return 0, 0.0
    error = np.concatenate(errors).astype(np.float64)
    return int(np.sum(error > 1)), float(np.sqrt(np.mean(np.square(error))))

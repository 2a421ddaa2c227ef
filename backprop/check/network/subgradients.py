"""Subgradients: what a right gradient may say where an activation has a kink within rounding of its input.

A pre-activation z that is 0, or so close that rounding decides its side, may be given any slope between those of
both sides. Most gradients take one convention for all: 0 (as z > 0 does), 1 (as z >= 0 does) or ½. Where none of
these is what was taken, the slopes are found one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from backprop.arrays import Array
from backprop.layers import Elementwise
from backprop.network import Batch, Network
from backprop.parameters import Parameters

CONVENTIONS = (0.0, 1.0, 0.5)
_MOST_ONE_BY_ONE, _SWEEPS = 24, 3


def by_convention(kinked: Mapping[int, Array], slope: float) -> dict[int, Array]:
    """The same slope at every kink, NaN elsewhere."""
    return {k: np.where(mask, slope, np.nan) for k, mask in kinked.items()}


def subgradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    slopes: Mapping[int, Array],
    dtype: DTypeLike = np.longdouble,
) -> Parameters:
    """dL/dθ in `dtype`, with the slopes given by layer, (n, o), where they are not NaN."""
    wide = params.astype(dtype)
    tensors = network.local(wide)
    values = network.activations(wide, batch.inputs.astype(dtype))
    gradient = Parameters.empty(network.layout, dtype)
    out = network.local(gradient)
    last = len(network.layers) - 1
    if network.fused:
        _, delta = network.loss_function.fused_value_and_gradient(values[last], batch.labels)
        last -= 1
    else:
        delta = network.loss_function.gradient(values[-1], batch.labels)
    for k in range(last, -1, -1):
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
    kinked: Mapping[int, Array],
    got: Mapping[str, Array],
    bound: Parameters,
) -> tuple[Parameters, Mapping[int, Array]]:
    """The subgradient that `got` is nearest to, and its slopes at kinks by layer."""

    def distance(trial: Mapping[int, Array]) -> tuple[int, float]:
        return _distance(subgradient(network, params, batch, trial, np.float64), got, bound)

    conventions = [by_convention(kinked, slope) for slope in CONVENTIONS]
    slopes: Mapping[int, Array] = min(conventions, key=distance)
    best = distance(slopes)
    places = [(k, *place) for k, mask in kinked.items() for place in np.argwhere(mask)]
    for _ in range(_SWEEPS if best[0] and len(places) <= _MOST_ONE_BY_ONE else 0):
        before = best
        for k, n, o in places:
            for slope in CONVENTIONS:
                trial = {**slopes, k: slopes[k].copy()}
                trial[k][n, o] = slope
                found = distance(trial)
                if found < best:
                    best, slopes = found, trial
        if best == before:
            break
    return subgradient(network, params, batch, slopes), slopes


def _distance(truth: Parameters, got: Mapping[str, Array], bound: Parameters) -> tuple[int, float]:
    """How many entries are beyond their bounds, and the root mean square of the errors in units of them."""
    errors = [(np.abs(got[name] - truth[name]) / bound[name]).ravel() for name in truth if name in got]
    if not errors:
        return 0, 0.0
    error = np.concatenate(errors).astype(np.float64)
    return int(np.sum(error > 1)), float(np.sqrt(np.mean(np.square(error))))

"""Subgradients: what a right gradient may say where an activation has a kink within rounding of its input.

A pre-activation z that is 0, or so close that rounding decides its side, may be given any slope between those of
both sides. Most gradients take one convention for all: 0 (as z > 0 does), 1 (as z >= 0 does) or ½. Where none of
these is what was taken, the slopes are found one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backprop.arrays import Array
from backprop.layers import Elementwise
from backprop.network import Batch, Network
from backprop.parameters import Parameters

CONVENTIONS = (0.0, 1.0, 0.5)
_MOST_ONE_BY_ONE = 24


def subgradient(
    network: Network, params: Parameters, batch: Batch, slopes: Mapping[int, Array]
) -> Parameters:
    """dL/dθ in longdouble with the slopes given by layer, (n, o), where they are not NaN."""
    wide = params.astype(np.longdouble)
    tensors = network.local(wide)
    values = network.activations(wide, batch.inputs.astype(np.longdouble))
    gradient = Parameters.empty(network.layout, np.longdouble)
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
            own = np.asarray(layer.derivative(x, y), np.longdouble)
            delta = delta * np.where(np.isnan(slopes[k]), own, slopes[k])
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
) -> tuple[Parameters, float | None]:
    """The subgradient that `got` is nearest to, and the convention it has; None where the kinks have each its own."""
    best, convention = _of_conventions(network, params, batch, kinked, got, bound)
    if (
        _distance(best, got, bound) <= 1
        or sum(int(mask.sum()) for mask in kinked.values()) > _MOST_ONE_BY_ONE
    ):
        return best, convention
    slopes = {k: np.where(mask, convention, np.nan) for k, mask in kinked.items()}
    start = _distance(best, got, bound)
    for k, mask in kinked.items():
        for place in map(tuple, np.argwhere(mask)):
            for slope in CONVENTIONS:
                trial = {**slopes, k: slopes[k].copy()}
                trial[k][place] = slope
                candidate = subgradient(network, params, batch, trial)
                if _distance(candidate, got, bound) < _distance(best, got, bound):
                    best, slopes = candidate, trial
    return best, (None if _distance(best, got, bound) < start else convention)


def _of_conventions(
    network: Network,
    params: Parameters,
    batch: Batch,
    kinked: Mapping[int, Array],
    got: Mapping[str, Array],
    bound: Parameters,
) -> tuple[Parameters, float]:
    candidates = [
        (subgradient(network, params, batch, {k: np.where(m, s, np.nan) for k, m in kinked.items()}), s)
        for s in CONVENTIONS
    ]
    return min(candidates, key=lambda pair: _distance(pair[0], got, bound))


def _distance(truth: Parameters, got: Mapping[str, Array], bound: Parameters) -> float:
    """The root mean square of the errors in units of their bounds, over the tensors that `got` has."""
    squares = [
        np.square(np.abs(got[name] - truth[name]) / bound[name]).ravel() for name in truth if name in got
    ]
    return float(np.sqrt(np.mean(np.concatenate(squares)))) if squares else 0.0

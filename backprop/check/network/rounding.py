"""Rounding: how far each entry of a right gradient may lie from the truth, in whatever order it is summed.

A running error analysis (Higham 2002, section 3.3) with random instead of worst-case errors (Higham and Mary 2019,
SIAM J. Sci. Comput. 41(5), A2815): beside every array goes one with what rounding may have moved it by. Errors of
different entries are independent and add in quadrature, and a sum of k products rounds like a random walk:

    (Δ Σ xy)² = Σ (Δx² y² + x² Δy²) + c² k eps² ((Σ xy)² + Σ x² y²)

The last bracket stands for the partial sums, which are as large as the result where all terms have one sign. c leaves
room for formulas of f, f' and the softmax that are written in other ways; no other taste is in it.

At a kink rounding may fall on either side, and at z = 0 itself every slope between both is a subgradient. Which
pre-activations those are is found here, too; with `sides` the bound takes in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.network.quadrature import row_largest, row_norm, together, walk
from backprop.check.network.rounding_back import backward_error, output_error
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Batch, Network
from backprop.parameters import Parameters

ROOM = 8.0
"""c. The right gradients of the suite, written in many ways, use less than a tenth of the bound that it gives."""


@dataclass(frozen=True)
class Rounding:
    """bound: of every entry of the gradient, absolute. loss: of the loss. kinked: by layer, where (n, o) the
    derivative has a jump within rounding of its input."""

    bound: Parameters
    loss: float
    kinked: dict[int, Array]


def rounding(
    network: Network, params: Parameters, batch: Batch, dtype: DType, *, sides: bool = False
) -> Rounding:
    """The bounds in `dtype` at the parameters of a network; with `sides`, both sides of a kink are allowed for."""
    wide, inputs = params.astype(np.float64), batch.inputs.astype(np.float64)
    values = network.activations(wide, inputs)
    tensors = network.local(wide)
    unit = ROOM * float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).tiny)

    errors = [np.zeros_like(inputs)]
    for layer, own, x, y in zip(network.layers, tensors, values, values[1:], strict=False):
        errors.append(_forward(layer, own, x, y, errors[-1], unit))
    kinked: dict[int, Array] = {}
    slopes: list[Array | None] = []
    for k, layer in enumerate(network.layers):
        change = _slope_change(layer, values[k], np.maximum(errors[k], tiny)) if _has_slope(layer) else None
        if change is not None and not layer.smooth:
            if np.any(change):
                kinked[k] = change > 0
            change = change if sides else np.zeros_like(change)
        slopes.append(change)

    last = len(network.layers) - 1
    delta, error, loss = output_error(network, values, errors, batch.labels, unit)
    last -= network.fused
    bound = Parameters.zeros(network.layout, np.float64)
    out = network.local(bound)
    for k in range(last, -1, -1):
        delta, error = backward_error(
            network.layers[k],
            tensors[k],
            values[k],
            values[k + 1],
            (errors[k], errors[k + 1]),
            slopes[k],
            delta,
            error,
            out[k],
            unit,
            first=k == 0,
        )
    bound.vector[...] += 64 * tiny
    return Rounding(bound, loss, kinked)


def _has_slope(layer: Layer) -> bool:
    return isinstance(layer, Elementwise)


def _forward(layer: Layer, own: dict[str, Array], x: Array, y: Array, error: Array, unit: float) -> Array:
    """How far a layer's output may be off, when its input may be off by `error`."""
    if isinstance(layer, Linear):
        squares = np.square(own["W"])
        terms = np.square(x) @ squares + np.square(own["b"])
        moved: Array = np.sqrt(np.square(error) @ squares + walk(unit, len(squares) + 1, y, terms))
        return moved
    if isinstance(layer, Softmax):
        return np.asarray(y * (together(error, row_norm(y * error)) + unit * (1 + row_largest(x))))
    if isinstance(layer, Elementwise):
        slope = np.abs(layer.derivative(x, y)) + (_slope_change(layer, x, error) if layer.smooth else 0)
        own_rounding = unit * np.clip(np.abs(x), 1, 10) if layer.smooth else 0.0
        return together(slope * error, own_rounding)
    return error + unit * np.abs(y)


def _slope_change(layer: Layer, x: Array, error: Array) -> Array:
    """How much f' changes within `error` of x."""
    assert isinstance(layer, Elementwise)
    here = np.asarray(layer.derivative(x, layer.forward({}, x)), np.float64)
    changes = [
        np.abs(np.asarray(layer.derivative(x + side, layer.forward({}, x + side)), np.float64) - here)
        for side in (error, -error)
    ]
    return np.maximum(*changes)

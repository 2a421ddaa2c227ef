"""Rounding: how far each entry of a right gradient may lie from the truth, in whatever order it is summed.

A running error analysis (Higham 2002, section 3.3) with random instead of worst-case errors (Higham and Mary 2019,
SIAM J. Sci. Comput. 41(5), A2815): beside every array goes one with what rounding may have moved it by. Errors of
different entries are independent and add in quadrature, and a sum of k products rounds like a random walk:

    (Δ Σ xy)² = Σ (Δx² y² + x² Δy²) + c² k eps² ((Σ xy)² + Σ x² y²)

The last bracket stands for the partial sums, which are as large as the result where all terms have one sign. c leaves
room for formulas of f, f' and the softmax that are written in other ways; no other taste is in it.

Of a layer without such an analysis, one of the user's own, the errors are measured (`rounding_measured`).

At a kink rounding may fall on either side, and at the kink itself every slope between both is a subgradient. Which
pre-activations those are is found here, too, from what f' does and not from what the layer says of itself; with
`sides` the bound takes in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.network.quadrature import row_largest, row_norm, together, walk
from backprop.check.network.rounding_back import backward_error, output_error
from backprop.check.network.rounding_measured import forward_error
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Batch, Network
from backprop.parameters import Parameters

ROOM = 8.0
"""c. The right gradients of the suite, written in many ways, use less than a tenth of the bound that it gives."""

_JUMP, _HALVINGS = 1e-10, 8
"""A smaller change of f' is no jump; 8 halvings of the interval make that of a smooth f' 2**8 times smaller."""


@dataclass(frozen=True)
class Rounding:
    """bound: of every entry of the gradient, absolute; NaN where none could be found. loss: of the loss.

    kinked: by layer, where (n, o) the derivative has a jump within rounding of its input. slopes: by such a layer, f'
    left and right of there.
    """

    bound: Parameters
    loss: float
    kinked: dict[int, Array]
    slopes: dict[int, tuple[Array, Array]]


def rounding(
    network: Network, params: Parameters, batch: Batch, dtype: DType, *, sides: bool = False
) -> Rounding:
    """The bounds in `dtype` at the parameters of a network; with `sides`, both sides of a kink are allowed for."""
    wide, inputs = params.astype(np.float64), batch.inputs.astype(np.float64)
    values = network.activations(wide, inputs)
    tensors = network.local(wide)
    unit = ROOM * float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).tiny)

    rng = np.random.default_rng(0)  # of the signs with which unknown layers are tried
    errors = [np.zeros_like(inputs)]
    for layer, own, x, y in zip(network.layers, tensors, values, values[1:], strict=False):
        errors.append(_forward(layer, own, x, y, errors[-1], unit, rng))
    kinked: dict[int, Array] = {}
    beside: dict[int, tuple[Array, Array]] = {}
    slopes: list[Array | None] = []
    for k, layer in enumerate(network.layers):
        if not isinstance(layer, Elementwise):
            slopes.append(None)
            continue
        error = np.maximum(errors[k], tiny)
        left, right, change = _slopes_beside(layer, values[k], error)
        jumps = _jumps(layer, values[k], error, change)
        if np.any(jumps):
            kinked[k], beside[k] = jumps, (left, right)
        slopes.append(change if sides else np.where(jumps, 0, change))

    delta, error, loss = output_error(network, values, errors, batch.labels, unit)
    bound = Parameters.zeros(network.layout, np.float64)
    out = network.local(bound)
    for k in reversed(range(len(network.short.layers))):
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
            rng,
            first=k == 0,
        )
    bound.vector[...] += 64 * tiny
    return Rounding(bound, loss, kinked, beside)


def _forward(
    layer: Layer,
    own: dict[str, Array],
    x: Array,
    y: Array,
    error: Array,
    unit: float,
    rng: np.random.Generator,
) -> Array:
    """How far a layer's output may be off, when its input may be off by `error`."""
    if isinstance(layer, Linear):
        squares = np.square(own["W"])
        terms = np.square(x) @ squares + np.square(own["b"])
        moved: Array = np.sqrt(np.square(error) @ squares + walk(unit, len(squares) + 1, y, terms))
        return moved
    if isinstance(layer, Softmax):
        return np.asarray(y * (together(error, row_norm(y * error)) + unit * (1 + row_largest(x))))
    if isinstance(layer, Elementwise):
        slope = np.abs(layer.derivative(x, y)) + (_slopes_beside(layer, x, error)[2] if layer.smooth else 0)
        own_rounding = unit * np.clip(np.abs(x), 1, 10) if layer.smooth else 0.0
        return together(slope * error, own_rounding, unit * y)
    return forward_error(layer, own, x, y, error, unit, rng)


def _slope(layer: Elementwise, x: Array) -> Array:
    return np.asarray(layer.derivative(x, layer.forward({}, x)), np.float64)


def _slopes_beside(layer: Elementwise, x: Array, error: Array) -> tuple[Array, Array, Array]:
    """f' at x - error and at x + error, and how much f' changes within."""
    left, here, right = (_slope(layer, x + side) for side in (-error, 0, error))
    return left, right, np.maximum(np.abs(left - here), np.abs(right - here))


def _jumps(layer: Elementwise, x: Array, error: Array, change: Array) -> Array:
    """Where (n, o) f' has a jump within `error` of x: halving the interval does not make its change smaller."""
    jumps: Array = change > _JUMP * (1 + np.max(np.abs(_slope(layer, x)), initial=0))
    if not np.any(jumps):
        return jumps
    low, high = x - error, x + error
    f_low, f_high = _slope(layer, low), _slope(layer, high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        f_middle = _slope(layer, middle)
        lower = np.abs(f_middle - f_low) >= np.abs(f_high - f_middle)
        low, high = np.where(lower, low, middle), np.where(lower, middle, high)
        f_low, f_high = np.where(lower, f_low, f_middle), np.where(lower, f_middle, f_high)
    return np.asarray(jumps & (np.abs(f_high - f_low) > 0.5 * change))

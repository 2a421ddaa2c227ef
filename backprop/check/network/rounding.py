"""Rounding: how far rounding alone can move the gradient of a network, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Batch, Network
from backprop.parameters import Parameters

# Errors that are independent add in quadrature; the rounding of a sum is a random walk.


def walk(unit: float, k: int, total: Array, squares: Array) -> Array:
    """The variance of the rounding of a sum of k terms, from the sum and the sum of their squares."""
    return np.asarray(unit**2 * k * (np.square(total) + squares))


def together(*errors: Array | float) -> Array:
    """Independent errors, added in quadrature."""
    total: Array = np.sqrt(sum(np.square(error) for error in errors))
    return total


def row_norm(x: Array) -> Array:
    """The Euclidean norm of each row, (n, 1)."""
    norm: Array = np.sqrt(np.sum(np.square(x), axis=1, keepdims=True))
    return norm


def row_largest(x: Array) -> Array:
    """The largest absolute value of each row, (n, 1)."""
    largest: Array = np.max(np.abs(x), axis=1, keepdims=True)
    return largest


# The way back of the analysis of rounding: how far δ, dW and db may be off, layer by layer.


def output_error(
    network: Network, values: list[Array], errors: list[Array], labels: Array, unit: float
) -> tuple[Array, Array, float]:
    """δ of the last layer before the loss, how far it may be off, and the same of the loss."""
    loss, n = network.short.loss_function, len(labels)
    y, error = values[-1], errors[-1]
    if network.short is not network:
        z, moved = values[-2], errors[-2]
        delta = loss.gradient(z, labels)
        target = np.zeros_like(y)
        target[np.arange(n), labels] = 1
        samples = loss.sample_values(z, labels)
        spread = together(moved.max(axis=1), unit * (1 + row_largest(z)[:, 0]), unit * samples)
        return delta, together(error, unit * y, unit * target) / n, float(np.mean(spread)) * math.sqrt(n)
    delta = loss.gradient(y, labels)
    sides = [np.abs(loss.gradient(y + side, labels) - delta) for side in (error, -error)]
    size = np.abs(delta) + np.abs(loss.gradient(np.zeros_like(y), labels))
    value = float(loss.value(y, labels))
    spread = np.sqrt(np.sum(np.square(delta * error))) + unit * math.sqrt(y.size) * (
        abs(value) + np.max(np.abs(delta * y))
    )
    return delta, together(*sides, unit * size), float(spread)


def backward_error(
    layer: Layer,
    own: dict[str, Array],
    x: Array,
    y: Array,
    errors: tuple[Array, Array],
    slope_change: Array | None,
    delta: Array,
    error: Array,
    out: dict[str, Array],
    unit: float,
    rng: np.random.Generator,
    *,
    first: bool,
) -> tuple[Array, Array]:
    """∂L/∂x and how far it may be off; the bounds of the layer's own tensors are written to `out`."""
    x_error, y_error = errors
    if isinstance(layer, Linear):
        n, o = delta.shape
        x2, d2, e2, w2 = np.square(x).T, np.square(delta), np.square(error), np.square(own["W"]).T
        variance = x2 @ (e2 + unit**2 * n * d2)
        if not first:  # the inputs themselves are exact
            variance += np.square(x_error).T @ (d2 + e2)
        out["W"][...] = np.sqrt(variance + unit**2 * n * np.square(x.T @ delta))
        out["b"][...] = np.sqrt(e2.sum(axis=0) + walk(unit, n, delta.sum(axis=0), d2.sum(axis=0)))
        if first:
            return delta, error  # nobody asks for ∂L/∂x of the inputs
        dx = delta @ own["W"].T
        return dx, np.sqrt(e2 @ w2 + walk(unit, o, dx, d2 @ w2))
    if isinstance(layer, Softmax):
        inner = np.sum(y * delta, axis=1, keepdims=True)
        spread = row_norm(together(y * error, unit * y * delta, y_error * delta))
        return y * (delta - inner), together(
            y * error, y * spread, unit * y * delta, y_error * (delta - inner)
        )
    if isinstance(layer, Elementwise):
        assert slope_change is not None
        slope = np.asarray(layer.derivative(x, y), np.float64)
        own_rounding = unit * (np.abs(slope) + (np.clip(np.abs(x), 1, 10) if layer.smooth else 0))
        return delta * slope, together(
            (np.abs(slope) + slope_change) * error, slope_change * delta, own_rounding * delta
        )
    dx, error, bounds = vjp_error(layer, own, x, y, delta, (x_error, y_error, error), unit, rng)
    for name, bound in bounds.items():
        out[name][...] = bound
    return dx, error


# The rounding of a layer that has no analysis of its own: it is measured at values beside those of the batch.
#
# Everything the layer is handed is moved, by random signs times what rounding may have moved it by and by a
# relative rounding of its own, which stands for the layer's arithmetic (Higham 2002, section 1.5). The root mean
# square of the changes of an answer over several such draws estimates its rounding, as independent errors add in
# quadrature.

_DRAWS = 12

Arrays = Mapping[str, Array]


def forward_error(
    layer: Layer, own: Arrays, x: Array, y: Array, error: Array, unit: float, rng: np.random.Generator
) -> Array:
    """How far the layer's output may be off, when its input may be off by `error`; NaN where nobody can tell."""
    relative = unit * math.sqrt(
        x.shape[1] + y.shape[1]
    )  # a sum over the features rounds as often as it has terms

    def answer(draw: Callable[[Array, Array | float], Array]) -> dict[str, Array]:
        moved = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
        return {"y": layer.forward(moved, draw(x, together(error, relative * x)))}

    return together(_changes(answer, {"y": y}, rng)["y"], unit * y)


def vjp_error(
    layer: Layer,
    own: Arrays,
    x: Array,
    y: Array,
    dy: Array,
    errors: tuple[Array, Array, Array],
    unit: float,
    rng: np.random.Generator,
) -> tuple[Array, Array, dict[str, Array]]:
    """∂L/∂x, how far it may be off, and how far each ∂L/∂θ may be, when x, y and dy may be off by `errors`."""
    relative = unit * math.sqrt(sum(x.shape) + y.shape[1])
    dx, dparams = _vjp(layer, own, x, y, dy)

    def answer(draw: Callable[[Array, Array | float], Array]) -> dict[str, Array]:
        moved = [
            draw(array, together(error, relative * array))
            for array, error in zip((x, y, dy), errors, strict=True)
        ]
        tensors = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
        moved_dx, moved_own = _vjp(layer, tensors, *moved)
        return {"": moved_dx, **moved_own}

    changes = _changes(answer, {"": dx, **dparams}, rng)
    bounds = {name: together(changes[name], relative * tensor) for name, tensor in dparams.items()}
    return dx, together(changes[""], relative * dx), bounds


def _vjp(layer: Layer, own: Arrays, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
    dx, dparams = layer.vjp(own, x, y, dy.copy())
    assert dx is not None  # it was asked for
    return np.array(dx, np.float64), {name: np.array(tensor, np.float64) for name, tensor in dparams.items()}


def _changes(
    answer: Callable[[Callable[[Array, Array | float], Array]], dict[str, Array]],
    expected: Arrays,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The root mean square of what `answer` changes by, over draws of random signs; NaN where it fails."""

    def draw(array: Array, error: Array | float) -> Array:
        return np.asarray(array + rng.choice((-1.0, 1.0), np.shape(array)) * error)

    squares = {name: np.zeros(np.shape(array)) for name, array in expected.items()}
    with np.errstate(all="ignore"):
        for _ in range(_DRAWS):
            try:
                answers = answer(draw)
            except Exception:  # an outside layer may refuse what lies beside its input
                return {name: np.full(np.shape(array), np.nan) for name, array in expected.items()}
            for name, array in expected.items():
                squares[name] += np.square(answers[name] - array)
    return {name: np.sqrt(square / _DRAWS) for name, square in squares.items()}


# Rounding: how far each entry of a right gradient may lie from the truth, in whatever order it is summed.
#
# A running error analysis (Higham 2002, section 3.3) with random instead of worst-case errors (Higham and Mary
# 2019, SIAM J. Sci. Comput. 41(5), A2815): beside every array goes one with what rounding may have moved it by.
# Errors of different entries are independent and add in quadrature, and a sum of k products rounds like a random
# walk:
#
#     (Δ Σ xy)² = Σ (Δx² y² + x² Δy²) + c² k eps² ((Σ xy)² + Σ x² y²)
#
# The last bracket stands for the partial sums, which are as large as the result where all terms have one sign. c
# leaves room for formulas of f, f' and the softmax that are written in other ways; no other taste is in it.
#
# Of a layer without such an analysis, one of the user's own, the errors are measured (`rounding_measured`).
#
# At a kink rounding may fall on either side, and at the kink itself every slope between both is a subgradient.
# Which pre-activations those are is found here, too, from what f' does and not from what the layer says of
# itself; with `sides` the bound takes in both.

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

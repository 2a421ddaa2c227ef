"""Rounding: how far each entry of a right gradient may lie from the truth, in whatever order it is summed.

A running error analysis (Higham 2002, section 3.3) with random instead of worst-case errors (Higham and Mary 2019,
SIAM J. Sci. Comput. 41(5), A2815): beside every array goes one with what rounding may have moved it by. Errors of
different entries are independent and add in quadrature, and a sum of k products rounds like a random walk:

    (Δ Σ xy)² = Σ (Δx² y² + x² Δy²) + c² k eps² ((Σ xy)² + Σ x² y²)

The last bracket stands for the partial sums, which are as large as the result where all terms have one sign. c leaves
room for formulas of f, f' and the softmax that are written in other ways; no other taste is in it.

At a kink rounding may fall on either side, and at the kink itself every slope between both is a subgradient. Which
pre-activations those are is found here, too, from what f' does and not from what the layer says of itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.network.mistakes.run import derivative_of
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Batch, Network
from backprop.parameters import Parameters

ROOM = 8.0
"""c. The right gradients of the suite, written in many ways, use less than a tenth of the bound that it gives."""

UNDERFLOWS = 64
"""Times the smallest normal number: what underflow on the way may take from an entry."""

Arrays = Mapping[str, Array]


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
    values, tensors = network.activations(wide, inputs), network.local(wide)
    unit, tiny = ROOM * float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    rng = np.random.default_rng(0)  # of the signs with which unknown layers are tried
    errors = [np.zeros_like(inputs)]
    for layer, own, x, y in zip(network.layers, tensors, values, values[1:], strict=False):
        errors.append(_forward(layer, own, x, y, errors[-1], unit, rng))
    kinked, changes = dict[int, Array](), dict[int, Array]()
    beside: dict[int, tuple[Array, Array]] = {}
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Elementwise):
            error = np.maximum(errors[k], tiny)
            left, right, change = _slopes_beside(layer, values[k], error)
            jumps = _jumps(layer, values[k], error, change)
            if np.any(jumps):
                kinked[k], beside[k] = jumps, (left, right)
            changes[k] = change if sides else np.where(jumps, 0, change)

    delta, error, loss = _output_error(network, values, errors, batch.labels, unit)
    bound = Parameters.zeros(network.layout, np.float64)
    out = network.local(bound)
    for k in reversed(range(len(network.short.layers))):
        step = _Step(
            network.layers[k], tensors[k], values[k], values[k + 1], errors[k], errors[k + 1], unit, k == 0
        )
        delta, error = step.back(delta, error, changes.get(k), out[k], rng)
    bound.vector[...] += UNDERFLOWS * tiny
    return Rounding(bound, loss, kinked, beside)


# Errors that are independent add in quadrature; the rounding of a sum is a random walk.


def _walk(unit: float, k: int, total: Array, squares: Array) -> Array:
    """The variance of the rounding of a sum of k terms, from the sum and the sum of their squares."""
    return np.asarray(unit**2 * k * (np.square(total) + squares))


def _together(*errors: Array | float) -> Array:
    """Independent errors, added in quadrature."""
    return np.asarray(np.sqrt(sum(np.square(error) for error in errors)))


def _of_function(layer: Elementwise, x: Array) -> Array | float:
    """The roundings that f or f' makes of its own: an exponential of x rounds |x| times, until it is flat at 10."""
    return np.clip(np.abs(x), 1, 10) if layer.smooth else 0.0


# The way forward and the loss.


def _forward(
    layer: Layer, own: Arrays, x: Array, y: Array, error: Array, unit: float, rng: np.random.Generator
) -> Array:
    """How far a layer's output may be off, when its input may be off by `error`; NaN where it is unknown."""
    if isinstance(layer, Linear):
        squares = np.square(own["W"])
        terms = np.square(x) @ squares + np.square(own.get("b", 0.0))
        return np.asarray(np.sqrt(np.square(error) @ squares + _walk(unit, len(squares) + 1, y, terms)))
    if isinstance(layer, Softmax):
        moved = _together(error, np.linalg.norm(y * error, axis=1, keepdims=True))
        return np.asarray(y * (moved + unit * (1 + np.abs(x).max(axis=1, keepdims=True))))
    if isinstance(layer, Elementwise):
        slope = np.abs(layer.derivative(x, y)) + (_slopes_beside(layer, x, error)[2] if layer.smooth else 0)
        return _together(slope * error, unit * _of_function(layer, x), unit * y)
    terms = x.shape[1] + y.shape[1]  # a sum over the features rounds as often as it has terms
    relative = unit * math.sqrt(terms)

    def answer(draw: Draw) -> Arrays:
        moved = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
        return {"y": layer.forward(moved, draw(x, _together(error, relative * x)))}

    return _together(_changes(answer, {"y": y}, rng, alike=not layer.smooth)["y"], unit * y)


def _output_error(
    network: Network, values: list[Array], errors: list[Array], labels: Array, unit: float
) -> tuple[Array, Array, float]:
    """δ of the last layer before the loss, how far it may be off, and the same of the loss."""
    loss, n = network.short.loss_function, len(labels)
    y, error = values[-1], errors[-1]
    if network.short is not network:
        z, moved = values[-2], errors[-2]
        samples = loss.sample_values(z, labels)
        spread = _together(moved.max(axis=1), unit * (1 + np.abs(z).max(axis=1)), unit * samples)
        off = _together(error, unit * y, unit * loss.targets(labels, y)) / n
        return loss.gradient(z, labels), off, float(np.mean(spread)) * math.sqrt(n)
    delta = loss.gradient(y, labels)
    moves = [error, -error]
    if not loss.smooth:  # its edges lie where outputs are a given distance apart
        apart = error * (1 - 2 * loss.targets(labels, y))
        moves += [apart, -apart]
    sides = [np.abs(loss.gradient(y + side, labels) - delta) for side in moves]
    size = np.abs(delta) + np.abs(loss.gradient(np.zeros_like(y), labels))
    terms = abs(float(loss.value(y, labels))) + np.max(np.abs(delta * y))
    spread = np.sqrt(np.sum(np.square(delta * error))) + unit * math.sqrt(y.size) * terms
    return delta, _together(*sides, unit * size), float(spread)


# The way back: how far δ, dW and db may be off, layer by layer.


@dataclass(frozen=True)
class _Step:
    """One layer on the way back: its values, and how far its input and output may be off."""

    layer: Layer
    own: Arrays
    x: Array
    y: Array
    x_error: Array
    y_error: Array
    unit: float
    first: bool

    def back(
        self, delta: Array, error: Array, slope_change: Array | None, out: Arrays, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """∂L/∂x and how far it may be off; the bounds of the layer's own tensors are written to `out`."""
        layer, x, y, unit = self.layer, self.x, self.y, self.unit
        if isinstance(layer, Linear):
            return self._linear(layer, delta, error, out)
        if isinstance(layer, Softmax):
            centred = delta - np.sum(y * delta, axis=1, keepdims=True)
            moved = _together(y * error, unit * y * delta, self.y_error * delta)
            spread = np.linalg.norm(moved, axis=1, keepdims=True)
            off = _together(y * error, y * spread, unit * y * delta, self.y_error * centred)
            return y * centred, off
        if isinstance(layer, Elementwise):
            assert slope_change is not None
            slope = np.asarray(layer.derivative(x, y), np.float64)
            own = unit * (np.abs(slope) + _of_function(layer, x))
            through = (np.abs(slope) + slope_change) * error
            return delta * slope, _together(through, slope_change * delta, own * delta)
        return self._measured(delta, error, out, rng)

    def _linear(self, layer: Linear, delta: Array, error: Array, out: Arrays) -> tuple[Array, Array]:
        (n, o), unit, weight = delta.shape, self.unit, self.own["W"]
        d2, e2, w2 = np.square(delta), np.square(error), np.square(weight).T
        variance = np.square(self.x).T @ (e2 + unit**2 * n * d2)
        if not self.first:  # the inputs themselves are exact
            variance += np.square(self.x_error).T @ (d2 + e2)
        out["W"][...] = np.sqrt(variance + unit**2 * n * np.square(self.x.T @ delta))
        if layer.bias:
            out["b"][...] = np.sqrt(e2.sum(axis=0) + _walk(unit, n, delta.sum(axis=0), d2.sum(axis=0)))
        if self.first:
            return delta, error  # ∂L/∂x of the inputs is not needed
        dx = delta @ weight.T
        return dx, np.sqrt(e2 @ w2 + _walk(unit, o, dx, d2 @ w2))

    def _measured(
        self, delta: Array, error: Array, out: Arrays, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        layer, own, x, y = self.layer, self.own, self.x, self.y
        relative = self.unit * math.sqrt(sum(x.shape) + y.shape[1])
        dx, dparams = _vjp(layer, own, x, y, delta)
        moving = ((x, self.x_error), (y, self.y_error), (delta, error))

        def answer(draw: Draw) -> Arrays:
            moved = [draw(array, _together(off, relative * array)) for array, off in moving]
            tensors = {name: draw(tensor, relative * np.abs(tensor)) for name, tensor in own.items()}
            moved_dx, moved_own = _vjp(layer, tensors, *moved)
            return {"": moved_dx, **moved_own}

        changes = _changes(answer, {"": dx, **dparams}, rng, alike=not layer.smooth)
        for name, tensor in dparams.items():
            out[name][...] = _together(changes[name], relative * tensor)
        return dx, _together(changes[""], relative * dx)


# The rounding of a layer that has no analysis of its own: it is measured at values beside those of the batch.
#
# Everything the layer is handed is moved, by random signs times what rounding may have moved it by and by a
# relative rounding of its own, which stands for the layer's arithmetic (Higham 2002, section 1.5). The root mean
# square of the changes of an answer over several such draws estimates its rounding, as independent errors add in
# quadrature.

Draw = Callable[[Array, Array | float], Array]

_DRAWS = 12
"""A root mean square of twelve draws is off by a fifth: 1/√(2 · 12)."""


def _vjp(layer: Layer, own: Arrays, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
    dx, dparams = layer.vjp(own, x, y, dy.copy())
    assert dx is not None  # it was asked for
    return np.array(dx, np.float64), {name: np.array(tensor, np.float64) for name, tensor in dparams.items()}


def _changes(
    answer: Callable[[Draw], Arrays], expected: Arrays, rng: np.random.Generator, *, alike: bool = False
) -> dict[str, Array]:
    """The root mean square of what `answer` changes by, over draws of random signs; NaN where it fails.

    With `alike` equal numbers get the same sign: they are equal because they are computed alike, as where an image is
    blank, and a layer that takes the largest of them goes on taking the same one.
    """

    def draw(array: Array, error: Array | float) -> Array:
        signs = rng.choice((-1.0, 1.0), np.shape(array))
        if alike:
            _, first, same = np.unique(array, return_index=True, return_inverse=True)
            signs = signs.reshape(-1)[first][same].reshape(np.shape(array))
        return np.asarray(array + signs * error)

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


# Kinks: where f' jumps within rounding of a pre-activation.

_JUMP, _HALVINGS = 1e-10, 8
"""A smaller change of f' is no jump; 8 halvings of the interval make that of a smooth f' 2**8 times smaller."""


def _slopes_beside(layer: Elementwise, x: Array, error: Array) -> tuple[Array, Array, Array]:
    """f' at x - error and at x + error, and how much f' changes within."""
    left, here, right = (derivative_of(layer, x + side) for side in (-error, 0, error))
    return left, right, np.maximum(np.abs(left - here), np.abs(right - here))


def _jumps(layer: Elementwise, x: Array, error: Array, change: Array) -> Array:
    """Where (n, o) f' has a jump within `error` of x: halving the interval does not make its change smaller."""
    jumps: Array = change > _JUMP * (1 + np.max(np.abs(derivative_of(layer, x)), initial=0))
    if not np.any(jumps):
        return jumps
    low, high = x - error, x + error
    f_low, f_high = derivative_of(layer, low), derivative_of(layer, high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        f_middle = derivative_of(layer, middle)
        lower = np.abs(f_middle - f_low) >= np.abs(f_high - f_middle)
        low, high = np.where(lower, low, middle), np.where(lower, middle, high)
        f_low, f_high = np.where(lower, f_low, f_middle), np.where(lower, f_middle, f_high)
    return np.asarray(jumps & (np.abs(f_high - f_low) > 0.5 * change))

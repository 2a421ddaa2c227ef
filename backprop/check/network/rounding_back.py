"""The way back of the analysis of rounding: how far δ, dW and db may be off, layer by layer."""

from __future__ import annotations

import math

import numpy as np

from backprop.arrays import Array
from backprop.check.network.quadrature import row_largest, row_norm, together, walk
from backprop.check.network.rounding_measured import vjp_error
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Network


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

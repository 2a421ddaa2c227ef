"""Rounding: how far each entry of a right gradient may lie from the truth, in whatever order it is summed.

A running error analysis (Higham 2002, sections 3.3 and 3.5): beside every array of the forward and the backward pass
goes one with the most that rounding may have moved it. A sum of k products of which each is off by δ,

    |Δ Σ xy| ≤ Σ (|Δx| |y| + |x| |Δy|) + c √k eps Σ |x y|,

for rounding errors add up like a random walk (Higham and Mary 2019, SIAM J. Sci. Comput. 41(5), A2815). c leaves room
for formulas of f, f' and softmax that are written in other ways. No taste is in it but c.

At a kink rounding may fall on either side, and at z = 0 itself every slope between both is a subgradient. Which
pre-activations those are is found here, too; `sides` lets the bound take in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array, DType
from backprop.layers import Elementwise, Layer, Linear, Softmax
from backprop.network import Batch, Network
from backprop.parameters import Parameters

ROOM = 8.0
"""c. The right gradients of the suite, written in many ways, use less than a third of it."""


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
    delta, error, loss = _output(network, values, errors, batch.labels, unit)
    last -= network.fused
    bound = Parameters.zeros(network.layout, np.float64)
    out = network.local(bound)
    for k in range(last, -1, -1):
        delta, error = _backward(
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
        )
    bound.vector[...] += 64 * tiny
    return Rounding(bound, loss, kinked)


def _has_slope(layer: Layer) -> bool:
    return isinstance(layer, Elementwise)


def _forward(layer: Layer, own: dict[str, Array], x: Array, y: Array, error: Array, unit: float) -> Array:
    """The most that a layer's output may be off, when its input may be off by `error`."""
    if isinstance(layer, Linear):
        weights = np.abs(own["W"])
        sums = np.abs(x) @ weights + np.abs(own["b"])
        moved: Array = error @ weights + unit * math.sqrt(len(weights) + 1) * sums
        return moved
    if isinstance(layer, Softmax):
        return y * (error + np.sum(y * error, axis=1, keepdims=True) + unit * (1 + _largest(x)))
    if isinstance(layer, Elementwise):
        slope = np.abs(layer.derivative(x, y)) + (_slope_change(layer, x, error) if layer.smooth else 1)
        own_rounding = unit * (np.maximum(np.abs(y), 1) if layer.smooth else 0)
        return np.asarray(slope * error + own_rounding)
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


def _largest(x: Array) -> Array:
    largest: Array = np.max(np.abs(x), axis=1, keepdims=True)
    return largest


def _output(
    network: Network, values: list[Array], errors: list[Array], labels: Array, unit: float
) -> tuple[Array, Array, float]:
    """δ of the last layer before the loss, the most it may be off, and the same of the loss."""
    loss, n = network.loss_function, len(labels)
    y, error = values[-1], errors[-1]
    if network.fused:
        z, moved = values[-2], errors[-2]
        _, delta = loss.fused_value_and_gradient(z, labels)
        target = np.zeros_like(y)
        target[np.arange(n), labels] = 1
        per_sample = 2 * moved.max(axis=1) + unit * (
            1 + _largest(z)[:, 0] + loss.fused_sample_values(z, labels)
        )
        return delta, (error + unit * (y + target)) / n, float(np.mean(per_sample) * math.sqrt(n))
    delta = loss.gradient(y, labels)
    moved_delta = sum(np.abs(loss.gradient(y + side, labels) - delta) for side in (error, -error))
    size = np.abs(loss.gradient(y, labels)) + np.abs(loss.gradient(np.zeros_like(y), labels))
    value = float(loss.value(y, labels))
    spread = float(np.sum(np.abs(delta) * error)) + unit * math.sqrt(y.size) * (
        abs(value) + float(np.max(np.abs(delta * y)))
    )
    return delta, np.asarray(moved_delta + unit * size), spread


def _backward(
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
) -> tuple[Array, Array]:
    """∂L/∂x and the most it may be off; the bounds of the layer's own tensors are written to `out`."""
    x_error, y_error = errors
    size = np.abs(delta)
    if isinstance(layer, Linear):
        n, o = delta.shape
        rounded = error + unit * math.sqrt(n) * size
        out["W"][...] = np.abs(x).T @ rounded + x_error.T @ (size + error)
        out["b"][...] = rounded.sum(axis=0)
        weights = np.abs(own["W"]).T
        return delta @ own["W"].T, (error + unit * math.sqrt(o) * size) @ weights
    if isinstance(layer, Softmax):
        inner = np.sum(y * delta, axis=1, keepdims=True)
        spread = np.sum(y * (error + unit * size) + y_error * size, axis=1, keepdims=True)
        moved = y * (error + spread + unit * size) + y_error * np.abs(delta - inner)
        return y * (delta - inner), moved
    if isinstance(layer, Elementwise):
        assert slope_change is not None
        slope = np.asarray(layer.derivative(x, y), np.float64)
        own_rounding = unit * (np.abs(slope) + (1 if layer.smooth else 0))
        moved = (np.abs(slope) + slope_change) * error + (slope_change + own_rounding) * size
        return delta * slope, moved
    dx, _ = layer.vjp(own, x, y, delta)
    assert dx is not None
    return dx, error + unit * np.abs(dx)

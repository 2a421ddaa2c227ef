"""Mistakes in the factor f'(z): left out, taken somewhere else, of another function, or with its edge elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.edges import leaky, shifted
from backprop.check.network.hypotheses.slopes import LOOKALIKES, derivative_of, wrong_formulas
from backprop.check.network.hypotheses.state import Got, Mistake, State
from backprop.layers import Elementwise

_MISSING, _PLACE, _FORMULA, _EDGE = (
    "activation-derivative-missing",
    "activation-derivative-misplaced",
    "activation-derivative-formula",
    "activation-boundary",
)


def wrong_slopes(state: State, got: Got) -> Iterator[State]:
    """One layer down, with something else than f'(z) as the factor."""
    run, j = state.run, state.k - 1
    activation = run.activations[j]
    if not isinstance(activation, Elementwise):
        return
    dy = state.handed @ run.weights[state.k].T
    for kind, slope, text in _slopes(state, activation):
        yield state.down(dy * slope, Mistake(kind, f"a backward pass in which {text}", layer=j))
    if not activation.smooth:
        yield from _edges(state, dy, got)


def _slopes(state: State, activation: Elementwise) -> Iterator[tuple[str, Array | float, str]]:
    run, j = state.run, state.k - 1
    z, y, f = run.z[j], run.x[state.k], activation.name
    right, layer = run.slope(j), j + 1
    yield _MISSING, 1.0, f"δ of layer {layer} is not multiplied by {f}'(z{layer})"
    yield (
        _PLACE,
        derivative_of(activation, y),
        f"{f}' is taken of the output {f}(z{layer}) instead of z{layer}",
    )
    if not activation.reads_input:  # 1 - y² and the like, with z for y
        of_z = np.asarray(activation.derivative(z, z), np.float64)
        yield _PLACE, of_z, f"the formula of {f}' in terms of y is given z{layer}"
    for m in range(run.depth):
        for word, other in (("z", run.z[m]), ("the input of", run.x[m])):
            if m != j and other.shape[1] in (z.shape[1], 1) and not (word != "z" and m == state.k):
                name = f"z{m + 1}" if word == "z" else f"the input of layer {m + 1}"
                yield _PLACE, derivative_of(activation, other), f"{f}' of layer {layer} is taken of {name}"
    yield _FORMULA, right * right, f"{f}'(z{layer}) is multiplied twice"
    yield _FORMULA, y, f"δ of layer {layer} is multiplied by {f}(z{layer}) instead of {f}'(z{layer})"
    if np.all(right > 0):
        yield _FORMULA, 1 / right, f"δ of layer {layer} is divided by {f}'(z{layer}) instead of multiplied"
    for slope, formula in wrong_formulas(activation, z, y):
        yield _FORMULA, slope, f"{f}'(z{layer}) is taken for {formula}"
    for other_name, derivative in LOOKALIKES.items():
        if other_name != f:
            yield _FORMULA, derivative(z), f"{other_name}'(z{layer}) stands for {f}'(z{layer})"


def _edges(state: State, dy: Array, got: Got) -> Iterator[State]:
    run, j = state.run, state.k - 1
    z, layer = run.z[j], j + 1
    f = run.activations[j]
    assert isinstance(f, Elementwise)
    left = _slope_left_of_zero(f, z)
    if left is None:
        return

    def wrong(slope: Array, text: str, *, fitted: bool = False) -> State:
        evidence = f"a backward pass in which {f.name}'(z{layer}) {text}"
        return state.down(dy * slope, Mistake(_EDGE, evidence, layer=j, fitted=fitted))

    yield wrong(np.where(z < 0, 1.0, left), "is 1 where z < 0, on the wrong side")
    yield wrong(np.sign(z), f"is the sign of z: -1 left of zero instead of {left:g}")
    yield wrong(np.where((z > 0) & (z < 1), 1.0, left), "is 1 only where 0 < z < 1")
    slope = leaky(state, dy, got)
    if slope is not None and abs(slope - 1) > 1e-3:  # a slope of 1 on both sides is none at all
        yield wrong(
            np.where(z > 0, 1.0, slope), f"is {slope:.4g} left of zero instead of {left:g}", fitted=True
        )
    edge = shifted(state, dy, got, left)
    if edge is not None:
        low, high = edge
        place = _between(low, high)
        middle = 0.5 * (low + high) if math.isfinite(low + high) else max(low, min(high, 0.0))
        yield wrong(np.where(z > middle, 1.0, left), f"has its edge at z = {place} instead of 0", fitted=True)


def _slope_left_of_zero(f: Elementwise, z: Array) -> float | None:
    """The slope left of a kink at zero, right of which it is 1: 0 for relu; None for any other activation."""
    size = np.abs(z) + np.finfo(np.float64).tiny
    left, right = derivative_of(f, -size), derivative_of(f, size)
    return float(left.flat[0]) if np.all(left == left.flat[0]) and np.all(right == 1) else None


def _between(low: float, high: float) -> str:
    """The roundest number between two, in words that say how sure it is."""
    for digits in range(1, 16):
        for candidate in (float(f"{0.5 * (low + high):.{digits}g}"), float(f"{high:.{digits}g}")):
            if low <= candidate <= high:
                return f"{candidate:g}"
    return f"{high:g}"

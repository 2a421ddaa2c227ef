"""Activation: another derivative, another place for it, another rule at an edge."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.state import Got, Run, State, derivative_of
from backprop.check.slope_names import is_same_slope, slopes_at
from backprop.layers import ACTIVATIONS, Elementwise

_SAME_SLOPE = 1e-3
"""A slope so near to 1 on the left of an edge is that of its right side: then there is no edge."""


# Edges: the slope left of a kink, and the place of the kink, that a tensor got would need.
#
# With H₀ the gradient of one side and H₁ that of the other, a leak α gives H₀ + α H₁, which is linear in α. A
# shifted edge leaves out the terms between it and zero, one after another in the order of z: the bias gradient,
# Σₙ δ, is followed along them, and the edge is where it comes nearest to the one got.


def fit_line(fixed: Array, moving: Array, got: Array) -> float | None:
    """The α for which fixed + α · moving is nearest to `got`; None where nothing moves."""
    square = float(np.vdot(moving, moving))
    return float(np.vdot(moving, got - fixed)) / square if square > 0 else None


def leaky(state: State, dy: Array, got: Got) -> float | None:
    """The slope left of zero that explains the bias gradient, or else the weights'."""
    run, j = state.run, state.k - 1
    left = np.where(run.z[j] > 0, 0.0, dy)
    weights, bias = run.names(j)
    if bias in got.tensors and bias in got.wrong:
        return fit_line((dy - left).sum(axis=0), left.sum(axis=0), got.tensors[bias])
    if weights in got.tensors:
        return fit_line(run.x[j].T @ (dy - left), run.x[j].T @ left, got.tensors[weights])
    return None


def shifted(state: State, dy: Array, got: Got, left: float) -> tuple[float, float] | None:
    """Two neighbouring z between which the edge lies that explains the bias gradient best."""
    run, j = state.run, state.k - 1
    bias = run.names(j)[1]
    if bias not in got.tensors:
        return None
    z = run.z[j].ravel()
    unit = np.broadcast_to(np.arange(dy.shape[1]), dy.shape).ravel()
    order = np.argsort(z)
    # From the left: the edge passes z after z. Each takes its term out of its unit's sum, but for the slope left.
    terms = (1 - left) * dy.ravel()[order]
    residual = dy.sum(axis=0) - got.tensors[bias]
    change = np.empty(len(z))
    for place, (which, term) in enumerate(zip(unit[order], terms, strict=True)):
        change[place] = term * (term - 2 * residual[which])
        residual[which] -= term
    squares = np.concatenate(([0.0], np.cumsum(change)))
    best = int(np.argmin(squares))
    if best == 0:
        return None
    low = float(z[order[best - 1]])
    return low, float(z[order[best]]) if best < len(z) else low + 1


# Mistakes in the factor f'(z): left out, taken somewhere else, of another function, or with its edge elsewhere.

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
    for kind, slope, text in other_slopes(run, j, activation):
        yield state.wrong_below(kind, f"in which {text}", dy * slope)
    f, layer = activation.name, j + 1
    text = f"in which {f} is applied to the gradient from above, which is not multiplied by {f}'(z{layer})"
    yield state.wrong_below(_PLACE, text, activation.forward({}, dy))
    if not activation.smooth:
        yield from _edges(state, dy, got)


def other_slopes(run: Run, j: int, activation: Elementwise) -> Iterator[tuple[str, Array, str]]:
    """Slopes that stand for f'(z) of layer j by mistake, finite and no two of them alike."""
    seen = [run.slope(j)]
    for kind, slope, text in _slopes(run, j, activation):
        if np.all(np.isfinite(slope)) and not any(is_same_slope(each, slope) for each in seen):
            seen.append(slope)
            yield kind, slope, text


def _slopes(run: Run, j: int, activation: Elementwise) -> Iterator[tuple[str, Array, str]]:
    z, f, right, layer = run.z[j], activation.name, run.slope(j), j + 1
    y = activation.forward({}, z)
    yield _MISSING, np.ones_like(z), f"δ of layer {layer} is not multiplied by {f}'(z{layer})"
    of_y = derivative_of(activation, y)
    yield _PLACE, of_y, f"{f}' is taken of the output {f}(z{layer}) instead of z{layer}"
    if not activation.reads_input:  # 1 - y² and the like, with z for y
        of_z = np.asarray(activation.derivative(z, z), np.float64)
        yield _PLACE, of_z, f"the formula of {f}' in terms of y is given z{layer}"
    for m in range(run.depth):
        for word, other in ((f"z{m + 1}", run.z[m]), (f"the input of layer {m + 1}", run.x[m])):
            if other.shape[1] in (z.shape[1], 1):
                yield _PLACE, derivative_of(activation, other), f"{f}' of layer {layer} is taken of {word}"
    yield _FORMULA, right * right, f"{f}'(z{layer}) is multiplied twice"
    yield _FORMULA, y, f"δ of layer {layer} is multiplied by {f}(z{layer}) instead of {f}'(z{layer})"
    if np.all(right > 0):
        yield _FORMULA, 1 / right, f"δ of layer {layer} is divided by {f}'(z{layer}) instead of multiplied"
    for formula, slope in slopes_at(z, y, f"z{layer}").items() if activation.smooth else ():
        yield _FORMULA, slope, f"{f}'(z{layer}) is taken for {formula}, y = {f}(z{layer})"
    for name, kind in ACTIVATIONS.items():  # another slope left of an edge is told by the edges
        if issubclass(kind, Elementwise) and (activation.smooth or not kind.kinks):
            yield _FORMULA, derivative_of(kind(), z), f"{name}'(z{layer}) stands for {f}'(z{layer})"


def _edges(state: State, dy: Array, got: Got) -> Iterator[State]:
    run, j = state.run, state.k - 1
    z, layer = run.z[j], j + 1
    f = run.activations[j]
    assert isinstance(f, Elementwise)
    left = _slope_left_of_zero(f, z)
    if left is None:
        return

    def wrong(slope: Array, text: str, *, fitted: bool = False) -> State:
        return state.wrong_below(_EDGE, f"in which {f.name}'(z{layer}) {text}", dy * slope, fitted=fitted)

    yield wrong(np.where(z < 0, 1.0, left), "is 1 where z < 0, on the wrong side")
    yield wrong(np.sign(z), f"is the sign of z: -1 left of zero instead of {left:g}")
    yield wrong(np.where((z > 0) & (z < 1), 1.0, left), "is 1 only where 0 < z < 1")
    slope = leaky(state, dy, got)
    if slope is not None and abs(slope - 1) > _SAME_SLOPE:
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

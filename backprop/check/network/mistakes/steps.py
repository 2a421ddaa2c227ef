"""Steps from a layer to the one below, δ_{k-1} = (δ_k W_kᵀ) ∘ f'(z_{k-1}), in which one factor is wrong.

In the order of this file: the whole step; wrong factors δ Wᵀ; wrong slopes f'(z); an f' whose edge is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run, derivative_of
from backprop.check.network.mistakes.state import Got, State, Wrong
from backprop.check.slope_names import is_same_slope, slopes_at
from backprop.layers import ACTIVATIONS, Elementwise, Softmax

_MISSING, _PLACE, _FORMULA, _EDGE, _WEIGHTS, _TERM = (
    "activation-derivative-missing",
    "activation-derivative-misplaced",
    "activation-derivative-formula",
    "activation-boundary",
    "wrong-layer-weights",
    "layer-term-missing",
)
_EARLY = "updated-too-early"


def wrong_steps(state: State, got: Got) -> Iterator[Wrong]:
    """δ one layer down, by a step that is wrong in one factor."""
    run, k, dy = state.run, state.k, state.handed_down
    yield from wrong_slopes(run, k - 1, dy, got)
    for kind, dx, text in _instead_of_weights(state):
        yield Wrong(kind, f"a backward pass in which {text}", run.through(k - 1, dx))
    if isinstance(run.activations[k - 1], Softmax):
        # A softmax between the layers, taken for an element-wise function, or left out.
        p = run.x[k]
        text = f"a backward pass in which the softmax Jacobian of layer {k} is its diagonal p (1 - p) alone"
        yield Wrong("softmax-diagonal-only", text, dy * p * (1 - p))
        text = f"a backward pass in which δ of layer {k} is not multiplied by the softmax Jacobian"
        yield Wrong(_MISSING, text, dy)
    # The weights after a step downhill, W - η dW: an update made too early. Linear in η.
    right, moved = run.through(k - 1, dy), run.through(k - 1, state.handed @ -state.weight_gradient.T)
    rate = got.number(run, k - 1, right, moved)
    if rate is not None and rate > 0:
        text = f"a backward pass through W{k + 1} after an update with the learning rate {rate:.4g}"
        yield Wrong(_EARLY, text, right + rate * moved, fitted=True)
    yield Wrong("zero-gradient", f"a backward pass that stops at layer {k + 1}", np.zeros_like(dy))


def _instead_of_weights(state: State) -> Iterator[tuple[str, Array, str]]:
    """Wrong arrays in the place of δ Wᵀ: the kind of mistake, the array, and the mistake in words."""
    run, k, delta = state.run, state.k, state.handed
    own, layer = run.weights[k], k + 1
    for m, other in enumerate(run.weights):
        if m != k and other.shape == own.shape:
            yield _WEIGHTS, delta @ other.T, f"W{m + 1} stands for W{layer}"
        if other.shape == own.shape[::-1]:
            instead = f"W{layer} is not" if m == k else f"W{m + 1}, not transposed, stands for W{layer}"
            yield _WEIGHTS, delta @ other, f"{instead} transposed" if m == k else instead
    if own.shape[0] == own.shape[1]:
        yield _TERM, delta, f"the factor W{layer}ᵀ is left out"
    elif own.size > max(own.shape):
        turned = own.reshape(own.shape[::-1])
        yield _WEIGHTS, delta @ turned, f"W{layer} is reshaped instead of transposed"
    ones = np.ones((len(delta), len(own)))
    yield _TERM, ones * delta.sum(axis=1, keepdims=True), f"ones stand for W{layer}ᵀ"
    alone = "is the derivative of its activation alone: the gradient from above is overwritten"
    yield _TERM, ones, f"δ of layer {k} {alone}"
    for up, above in enumerate(state.above, start=layer):
        if run.weights[up].shape[0] == len(own):
            other = above @ run.weights[up].T
            yield _TERM, other, f"layer {layer} is skipped: its δ is that through W{up + 1}"
        if above.shape[1] == own.shape[1]:
            yield _TERM, above @ own.T, f"δ of layer {up + 1} stands for δ of layer {layer}"


# Slopes: f'(z) left out, taken at another place, of another function, or with its edge elsewhere.


def wrong_slopes(run: Run, k: int, dy: Array, got: Got) -> Iterator[Wrong]:
    """δ of layer k from dy = ∂L/∂f(z), with wrong factors f'(z): finite ones, no two of them the same."""
    f, seen = run.activations[k], [run.slope(k)]
    if not isinstance(f, Elementwise):
        return
    for kind, slope, text, is_fitted in (*_slopes(run, k, f), *_edges(run, k, f, dy, got)):
        if np.all(np.isfinite(slope)) and not any(is_same_slope(each, slope) for each in seen):
            seen.append(slope)
            yield Wrong(kind, f"a backward pass in which {text}", dy * slope, is_fitted)
    text = f"{f.name} is applied to the gradient from above, which is not multiplied by {f.name}'(z{k + 1})"
    yield Wrong(_PLACE, f"a backward pass in which {text}", f.forward({}, dy))


Slope = tuple[str, Array, str, bool]
"""A wrong f'(z): the kind, the slope (n, o), the mistake in words, and whether a number was fitted."""


def _slopes(run: Run, k: int, f: Elementwise) -> Iterator[Slope]:
    z, right, layer = run.z[k], run.slope(k), k + 1
    y, own, delta = f.forward({}, z), f"{f.name}'(z{layer})", f"δ of layer {layer}"
    yield _MISSING, np.ones_like(z), f"{delta} is not multiplied by {own}", False
    places = {f"the output {f.name}(z{layer}) instead of z{layer}": y}
    places |= {f"z{m + 1}": other for m, other in enumerate(run.z)}
    places |= {f"the input of layer {m + 1}": other for m, other in enumerate(run.x)}
    for place, at in places.items():
        if at.shape[1] in (z.shape[1], 1):
            yield _PLACE, derivative_of(f, at), f"{f.name}' of layer {layer} is taken of {place}", False
    if not f.reads_input:  # 1 - y² and the like, with z for y
        of_z = np.asarray(f.derivative(z, z), np.float64)
        yield _PLACE, of_z, f"the formula of {f.name}' in terms of y is given z{layer}", False
    with np.errstate(divide="ignore"):
        formulas = {f"{own} times itself": right * right, f"1 / {own}": 1 / right, "y": y}
    if f.smooth:
        formulas |= slopes_at(z, y, f"z{layer}")
    for name, kind in ACTIVATIONS.items():  # _edges finds another slope left of a kink
        if issubclass(kind, Elementwise) and (f.smooth or not kind.kinks):
            formulas[f"{name}'(z{layer})"] = derivative_of(kind(), z)
    for formula, slope in formulas.items():
        yield _FORMULA, slope, f"{own} is taken for {formula}, y = {f.name}(z{layer})", False


# Edges: which slope left of the kink, or which place of the kink, gives the tensors that were got.
#
# The gradient is linear in the slope left of zero, so that slope is fitted. An edge at z = c leaves out the terms of
# δ left of c. The terms are left out one after another, in the order of z, and the edge is where Σₙ δ comes nearest
# to the bias gradient that was got.

_SAME_SLOPE = 1e-3
"""A slope this near to 1 left of the kink equals the slope on the right: then there is no edge."""


def _edges(run: Run, k: int, f: Elementwise, dy: Array, got: Got) -> Iterator[Slope]:
    """Wrong edges of an f' that is 1 right of zero and one number left of it, such as relu's."""
    z = run.z[k]
    size = np.abs(z) + np.finfo(np.float64).tiny
    left, right = derivative_of(f, -size), derivative_of(f, size)
    if f.smooth or np.any(left != left.flat[0]) or np.any(right != 1):
        return
    own, low = f"{f.name}'(z{k + 1})", float(left.flat[0])
    yield _EDGE, np.where(z < 0, 1.0, low), f"{own} is 1 where z < 0, on the wrong side", False
    yield _EDGE, np.sign(z), f"{own} is the sign of z: -1 left of zero instead of {low:g}", False
    yield _EDGE, np.where((z > 0) & (z < 1), 1.0, low), f"{own} is 1 only where 0 < z < 1", False
    slope = got.number(run, k, np.where(z > 0, dy, 0.0), np.where(z > 0, 0.0, dy))
    if slope is not None and abs(slope - 1) > _SAME_SLOPE:
        yield (
            _EDGE,
            np.where(z > 0, 1.0, slope),
            f"{own} is {slope:.4g} left of zero instead of {low:g}",
            True,
        )
    bias = run.names(k)[1]
    edge = _shifted(z, (1 - low) * dy, dy.sum(axis=0) - got.tensors[bias]) if bias in got.tensors else None
    if edge is not None:
        place, middle = _roundest(*edge), sum(edge) / 2
        yield _EDGE, np.where(z > middle, 1.0, low), f"{own} has its edge at z = {place} instead of 0", True


def _shifted(z: Array, terms: Array, residual: Array) -> tuple[float, float] | None:
    """The two neighbouring z between which the edge lies: without the terms left of it the residual is least."""
    order = np.argsort(z, axis=None)
    change = np.empty(len(order))
    for place, (unit, term) in enumerate(zip(order % z.shape[1], terms.ravel()[order], strict=True)):
        change[place] = term * (term - 2 * residual[unit])
        residual[unit] -= term
    best = int(np.argmin(np.concatenate(([0.0], np.cumsum(change)))))
    ends = [*z.ravel()[order[best - 1 : best + 1]].tolist()] if best else []
    return (ends[0], ends[-1] if len(ends) > 1 else ends[0] + 1) if ends else None


def _roundest(low: float, high: float) -> str:
    """The number between two that takes the fewest digits."""
    for digits in range(1, np.finfo(np.float64).precision + 1):
        for number in (float(f"{0.5 * (low + high):.{digits}g}"), float(f"{high:.{digits}g}")):
            if low <= number <= high:
                return f"{number:g}"
    return f"{high:g}"

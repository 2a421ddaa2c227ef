"""Mistakes in the chain: a layer's factor left out, or formed with weights that are not the layer's own.

Right is δ_{k-1} = (δ_k W_kᵀ) ∘ f'(z_{k-1}).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line
from backprop.check.network.mistakes.state import Got, State
from backprop.layers import Softmax

_WEIGHTS, _TERM = "wrong-layer-weights", "layer-term-missing"


def wrong_chain(state: State, got: Got) -> Iterator[State]:
    """One layer down, through something else than the layer's weights."""
    run, k = state.run, state.k
    for kind, dy, text in (*_weights(state), *_terms(state)):
        yield state.wrong_below(kind, f"in which {text}", run.through(k - 1, dy))
    if isinstance(run.activations[k - 1], Softmax):
        # A softmax between the layers, as if it acted on each element alone, or not at all.
        dy, p = state.handed @ run.weights[k].T, run.x[k]
        text = f"in which the softmax Jacobian of layer {k} is its diagonal p (1 - p) alone"
        yield state.wrong_below("softmax-diagonal-only", text, dy * p * (1 - p))
        text = f"in which δ of layer {k} is not multiplied by the softmax Jacobian"
        yield state.wrong_below("activation-derivative-missing", text, dy)
    yield from _updated(state, got)
    nothing = np.zeros((run.n, run.weights[k].shape[0]))
    yield state.wrong_below("zero-gradient", f"that stops at layer {k + 1}", nothing)


def _weights(state: State) -> Iterator[tuple[str, Array, str]]:
    run, k, delta = state.run, state.k, state.handed
    own, layer = run.weights[k], k + 1
    if own.shape[0] == own.shape[1]:
        yield _WEIGHTS, delta @ own, f"W{layer} is not transposed"
    elif own.size > max(own.shape):
        yield _WEIGHTS, delta @ own.reshape(own.shape[::-1]), f"W{layer} is reshaped instead of transposed"
    for m, other in enumerate(run.weights):
        if m != k and other.shape == own.shape:
            yield _WEIGHTS, delta @ other.T, f"W{m + 1} stands for W{layer}"
        if m != k and other.shape == own.shape[::-1]:
            yield _WEIGHTS, delta @ other, f"W{m + 1}, not transposed, stands for W{layer}"


def _terms(state: State) -> Iterator[tuple[str, Array, str]]:
    run, k, delta = state.run, state.k, state.handed
    own, layer = run.weights[k], k + 1
    width = own.shape[0]
    if own.shape[0] == own.shape[1]:
        yield _TERM, delta, f"the factor W{layer}ᵀ is left out"
    total = np.broadcast_to(delta.sum(axis=1, keepdims=True), (len(delta), width))
    yield _TERM, total, f"ones stand for W{layer}ᵀ"
    alone = (
        f"δ of layer {k} is the derivative of its activation alone: the gradient from above is overwritten"
    )
    yield _TERM, np.ones((len(delta), width)), alone
    for up, above in enumerate(state.above, start=1):
        other = run.weights[k + up]
        if other.shape[0] == width:
            yield _TERM, above @ other.T, f"layer {layer} is skipped: its δ is that through W{layer + up}"
        if above.shape[1] == own.shape[1]:
            yield _TERM, above @ own.T, f"δ of layer {layer + up} stands for δ of layer {layer}"


def _updated(state: State, got: Got) -> Iterator[State]:
    """The weights after a step downhill, W - η dW: an update made too early. Linear in η."""
    run, k = state.run, state.k
    bias = run.names(k - 1)[1]
    if bias not in got.tensors or bias not in got.wrong:
        return
    ways = run.weights[k].T, -state.weight_gradient.T
    right, moved = (run.through(k - 1, state.handed @ way) for way in ways)
    rate = fit_line(right.sum(axis=0), moved.sum(axis=0), got.tensors[bias])
    if rate is not None and rate > 0:
        text = f"through W{k + 1} after an update with the learning rate {rate:.4g}"
        yield state.wrong_below(_WEIGHTS, text, right + rate * moved, fitted=True)

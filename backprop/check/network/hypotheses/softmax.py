"""Mistakes between the loss and the last linear layer: the output's Jacobian cut down, doubled, left out, or askew.

Right, for softmax and cross-entropy, is δ = (p - t) / n with t one-hot; through the chain -t/p · p (1 - p) and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.run import Run
from backprop.check.network.hypotheses.state import Got, Mistake, State
from backprop.layers import Elementwise, Softmax

_DIAGONAL, _TWICE, _AXIS, _TERM = (
    "softmax-diagonal-only",
    "softmax-applied-twice",
    "softmax-wrong-axis",
    "layer-term-missing",
)


def wrong_output(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer with something else for the output's Jacobian."""
    run = right.run
    output = run.activations[-1]
    if isinstance(output, Softmax):
        for kind, delta, text in _softmax(run, right.delta):
            yield right.but(Mistake(kind, text, layer=right.k), delta=delta)
        if run.fused:
            yield from _axes(right)
    elif isinstance(output, Elementwise):
        yield from _elementwise(right, output)


def _softmax(run: Run, delta: Array) -> Iterator[tuple[str, Array, str]]:
    p, t, n = run.y, run.targets, run.n
    if run.fused:
        with np.errstate(divide="ignore", invalid="ignore"):
            dp = np.where(t > 0, -t / p, 0.0) / n
    else:
        dp = run.network.loss_function.gradient(p, run.labels)
    yield _DIAGONAL, dp * p * (1 - p), "a backward pass with p (1 - p) for the softmax Jacobian"
    yield _DIAGONAL, dp * p, "a backward pass with p on the diagonal for the softmax Jacobian"
    yield _DIAGONAL, -p * _but_own(p * dp), "a backward pass with the softmax Jacobian's off-diagonal alone"
    yield _TERM, dp, "a backward pass without the softmax Jacobian"
    twice = p * (delta - np.sum(p * delta, axis=1, keepdims=True))
    yield _TWICE, twice, "a backward pass with the softmax Jacobian applied once more, on top of p - t"
    yield _TWICE, delta * p * (1 - p), "a backward pass with p - t multiplied by p (1 - p)"
    yield _TWICE, delta * p, "a backward pass with p - t multiplied by p"


def _axes(right: State) -> Iterator[State]:
    """Probabilities that are normalised over something else than the classes."""
    run = right.run
    z = run.z[-1]
    for largest in (z.max(), z.max(axis=1, keepdims=True)):
        e = np.exp(z - largest)
        for q, axis in (
            (e / e.sum(axis=0), "over the batch"),
            (e / e.sum(), "over batch and classes at once"),
        ):
            mistake = Mistake(_AXIS, f"a gradient with the softmax taken {axis}", layer=right.k)
            yield State(replace(run, y=q), right.k, (q - run.targets) / run.n, (mistake,))


def _but_own(x: Array) -> Array:
    """The sum over all other classes."""
    return np.asarray(x.sum(axis=1, keepdims=True) - x)


def _elementwise(right: State, output: Elementwise) -> Iterator[State]:
    """The output is an activation under a loss that has no short form with it."""
    run, k = right.run, right.k
    dy = run.network.loss_function.gradient(run.y, run.labels)
    f, layer = output.name, k + 1
    text = f"a backward pass in which δ of layer {layer} is not multiplied by {f}'(z{layer})"
    yield right.but(Mistake("activation-derivative-missing", text, layer=k), delta=dy)
    slope = np.asarray(output.derivative(run.y, output.forward({}, run.y)), np.float64)
    text = f"a backward pass in which {f}' is taken of the output {f}(z{layer}) instead of z{layer}"
    yield right.but(Mistake("activation-derivative-misplaced", text, layer=k), delta=dy * slope)

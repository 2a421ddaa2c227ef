"""Tensor: mistakes in one tensor alone: δ is as it is above, and dW or db is not rightly formed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line
from backprop.check.network.mistakes.batch import factor_mistakes, sample_names
from backprop.check.network.mistakes.state import Got, Mistake, State
from backprop.check.words import some

Explained = tuple[Mistake, ...]
Candidate = tuple[str, str, Array]
"""A kind, what the tensor equals in words, and that array."""

_MOST_OUTPUTS = 512
"""Outputs that are matched with each other, which takes their number squared."""


def weight_mistakes(state: State, right: Array, got: Got) -> Iterator[Explained]:
    """Mistakes that explain dW, where `right` is xᵀ δ."""
    name = state.run.names(state.k)[0]
    yield from _in_any_tensor(state, name, right, got)
    turned = right.T if right.shape[0] == right.shape[1] else right.T.reshape(right.shape)
    transposed = Mistake("transposed", "the transpose of expected", tensors=(name,))
    if got.fits(name, turned):
        yield (transposed,)
    else:
        for mistakes in _scaled(state, name, turned, got):
            yield (transposed, *mistakes)
    yield from _that_fit(name, _other_weights(state), got)


def bias_mistakes(state: State, right: Array, got: Got) -> Iterator[Explained]:
    """Mistakes that explain db, where `right` is Σₙ δ."""
    name = state.run.names(state.k)[1]
    for mistakes in _in_any_tensor(state, name, right, got):
        last = mistakes[-1]
        if last.kind in ("sum-instead-of-mean", "mean-instead-of-sum"):
            text = f"{last.text}: it is not summed or averaged as the weights are"
            yield (*mistakes[:-1], Mistake("bias-not-summed", text, tensors=(name,), also=last.also))
        else:
            yield mistakes
    yield from _that_fit(name, _other_biases(state), got)


def _in_any_tensor(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    """Mistakes that may be in weights and biases alike."""
    if not np.any(got.tensors[name]):
        yield (Mistake("zero-gradient", "zero in every entry", tensors=(name,)),)
    yield from _scaled(state, name, right, got)
    yield from decayed(state, name, right, got)
    if state.k == state.run.depth - 1:
        yield from _columns(name, right, got)


def _that_fit(name: str, candidates: Iterator[Candidate], got: Got) -> Iterator[Explained]:
    for kind, text, tensor in candidates:
        if got.fits(name, tensor):
            yield (Mistake(kind, text, tensors=(name,)),)


def _scaled(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    if np.count_nonzero(right) < 2:
        return
    k = fit_line(np.zeros_like(right), right, got.tensors[name])
    if k is None or k == 0 or not got.fits(name, k * right):
        return
    for value, mistakes in factor_mistakes(k, got.tolerance[name], state.run, tensors=(name,)):
        if got.fits(name, value * right):
            yield mistakes


def decayed(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    """Weight decay: a multiple of the parameter, or of its sign, that explains the tensor.

    L + λ/2 Σ W² has the gradient dL/dW + λ W: one of both has the term and the other has not.
    """
    run = state.run
    parameter = run.weights[state.k] if name == run.names(state.k)[0] else run.biases[state.k]
    if np.count_nonzero(parameter) < 2:
        return
    for moving, word in ((parameter, "the parameter"), (np.sign(parameter), "the parameter's sign")):
        rate = fit_line(right, moving, got.tensors[name])
        if rate is None or rate == 0 or not got.fits(name, right + rate * moving):
            continue
        kind, sign = ("weight-decay-extra", "+") if rate > 0 else ("weight-decay-missing", "-")
        text = f"expected {sign} λ · {word} with λ = {abs(rate):.4g}"
        yield (Mistake(kind, text, tensors=(name,), fitted=True),)


def _columns(name: str, right: Array, got: Got) -> Iterator[Explained]:
    """The outputs in another order, each matched with the one that it is nearest to."""
    a, b = np.atleast_2d(got.tensors[name]), np.atleast_2d(right)
    if a.shape[1] > _MOST_OUTPUTS:
        return
    order = np.array([int(np.argmin(np.linalg.norm(b - a[:, [k]], axis=0))) for k in range(a.shape[1])])
    if np.unique(order).size == order.size and got.fits(name, right[..., order]):
        moved = some(f"{k} holds {j}" for k, j in enumerate(order) if k != j)
        text = f"expected with the classes in another order: {moved}"
        yield (Mistake("classes-permuted", text, tensors=(name,)),)


def _other_weights(state: State) -> Iterator[Candidate]:
    run, k, delta = state.run, state.k, state.delta
    for kind, other, text in _other_inputs(state):
        yield kind, text, other.T @ delta
    for text, other in _samples(run.n, lambda n: np.outer(run.x[k][n], delta[n])):
        yield "one-sample-only", text, other


def _other_inputs(state: State) -> Iterator[tuple[str, Array, str]]:
    run, k = state.run, state.k
    own, kind, layer = run.x[k], "wrong-layer-input", f"the input of layer {k + 1}"
    if k > 0:
        yield kind, run.z[k - 1], f"xᵀ δ with z{k}, before the activation, for {layer}"
    for m, other in enumerate(run.x):
        if m != k and other.shape == own.shape:
            yield kind, other, f"xᵀ δ with the input of layer {m + 1} for that of layer {k + 1}"
    for m, other in enumerate(run.z):
        if m != k - 1 and other.shape == own.shape:
            yield kind, other, f"xᵀ δ with z{m + 1} for {layer}"
    yield "layer-term-missing", np.ones_like(own), "Σ δ in every row: the factor x is left out"
    if run.n > 1:
        yield kind, own[::-1], "xᵀ δ with the samples of x in reverse order"
        yield kind, np.roll(own, 1, axis=0), "xᵀ δ with the samples of x shifted by one"


def _other_biases(state: State) -> Iterator[Candidate]:
    delta, kind = state.delta, "bias-not-summed"
    n, o = delta.shape
    for text, other in _samples(n, lambda k: delta[k]):
        yield kind, f"{text}: δ is not summed over the batch", other
    both = "one number, δ summed over batch and outputs"
    for text, number in (
        (both, delta.sum()),
        (f"{both}, divided by n", delta.sum() / n),
        ("one number, the mean of δ over batch and outputs", delta.mean()),
    ):
        yield kind, text, np.full(o, number)
    weights = state.weight_gradient
    yield kind, "dW summed over the inputs, instead of δ summed over the batch", weights.sum(axis=0)
    yield kind, "dW averaged over the inputs, instead of δ summed over the batch", weights.mean(axis=0)
    if n > 1:
        if n == o:
            yield kind, "δ summed over the outputs instead of the batch", delta.sum(axis=1)
        yield kind, "Σ |δ|", np.abs(delta).sum(axis=0)


def _samples(n: int, of: Callable[[int], Array]) -> Iterator[tuple[str, Array]]:
    """The gradient of one sample alone, as its share of the mean and as a gradient of its own."""
    for k, words in sample_names(n, most=32):
        yield f"the gradient of {words} alone, divided by n", of(k)
        yield f"the gradient of {words} alone", n * of(k)

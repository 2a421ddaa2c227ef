"""Tensor: mistakes in one tensor alone: δ is as it is above, and dW or db is not rightly formed from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.batch import ONE, factor_mistakes, sample_weights
from backprop.check.network.mistakes.state import Got, Mistake, State, fit_line
from backprop.check.words import some

Explained = tuple[Mistake, ...]
Candidate = tuple[str, str, Array]
"""A kind, what the tensor equals in words, and that array."""

_BIAS, _INPUT = "bias-not-summed", "wrong-layer-input"
_MOST_OUTPUTS = 512
"""Outputs that are matched with each other, which takes their number squared."""


def tensor_mistakes(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    """Mistakes that explain one tensor of a layer, dW or db; `right` is the tensor that follows from δ."""
    is_bias = right.ndim == 1
    if not np.any(got.tensors[name]):
        yield (Mistake("zero-gradient", "zero in every entry", tensors=(name,)),)
    for *others, last in _scaled(state, name, right, got):
        if is_bias and last.kind in ("sum-instead-of-mean", "mean-instead-of-sum"):
            text = f"{last.text}: it is not summed or averaged as the weights are"
            last = Mistake(_BIAS, text, tensors=(name,), also=last.also)
        yield (*others, last)
    yield from _decayed(state, name, right, got)
    if not is_bias:
        turned = right.T.reshape(right.shape)
        transposed = Mistake("transposed", "the transpose of expected", tensors=(name,))
        if got.fits(name, turned):
            yield (transposed,)
        yield from ((transposed, *factor) for factor in _scaled(state, name, turned, got))
    for kind, text, tensor in _other_biases(state) if is_bias else _other_weights(state):
        if got.fits(name, tensor):
            yield (Mistake(kind, text, tensors=(name,)),)
    if state.k == state.run.depth - 1:
        yield from _columns(name, right, got)


def _scaled(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    """A multiple of the tensor."""
    k = fit_line(np.zeros_like(right), right, got.tensors[name])
    if not k or np.count_nonzero(right) < 2 or not got.fits(name, k * right):
        return
    value, mistakes = factor_mistakes(k, got.tolerance[name], state.run, tensors=(name,))
    if got.fits(name, value * right):
        yield mistakes


def _decayed(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    """Weight decay: a multiple of the parameter, or of its sign, that explains the tensor.

    L + λ/2 Σ W² has the gradient dL/dW + λ W: one of both has the term and the other has not.
    """
    parameter = (state.run.weights if right.ndim == 2 else state.run.biases)[state.k]
    if np.count_nonzero(parameter) < 2:
        return
    for moving, word in ((parameter, "the parameter"), (np.sign(parameter), "the parameter's sign")):
        rate = fit_line(right, moving, got.tensors[name])
        if rate and got.fits(name, right + rate * moving):
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
    """xᵀ δ with another x, or with some samples only."""
    run, k, delta = state.run, state.k, state.delta
    own, layer = run.x[k], f"the input of layer {k + 1}"
    inputs = {f"z{m + 1} for {layer}": z for m, z in enumerate(run.z)}
    inputs |= {f"the input of layer {m + 1} for {layer}": x for m, x in enumerate(run.x) if m != k}
    if run.n > 1:
        inputs["the samples of x in reverse order"] = own[::-1]
        inputs["the samples of x shifted by one"] = np.roll(own, 1, axis=0)
    for words, x in inputs.items():
        if x.shape == own.shape:
            yield _INPUT, f"xᵀ δ with {words}", x.T @ delta
    left_out = "Σ δ in every row: the factor x is left out"
    yield "layer-term-missing", left_out, np.ones_like(own).T @ delta
    for kind, text, s in sample_weights(run.n):
        yield kind, text, (own * s[:, None]).T @ delta


def _other_biases(state: State) -> Iterator[Candidate]:
    """δ of one sample, or δ summed over another axis than the batch."""
    delta, weights = state.delta, state.weight_gradient
    n, o = delta.shape
    for kind, text, s in sample_weights(n):
        is_one = kind == ONE
        yield _BIAS if is_one else kind, text + ": δ is not summed over the batch" * is_one, s @ delta
    both = "one number, δ summed over batch and outputs"
    yield _BIAS, both, np.full(o, delta.sum())
    yield _BIAS, f"{both}, divided by n", np.full(o, delta.sum() / n)
    yield _BIAS, "one number, the mean of δ over batch and outputs", np.full(o, delta.mean())
    yield _BIAS, "dW summed over the inputs, instead of δ summed over the batch", weights.sum(axis=0)
    yield _BIAS, "dW averaged over the inputs, instead of δ summed over the batch", weights.mean(axis=0)
    if n > 1:
        yield _BIAS, "Σ |δ|", np.abs(delta).sum(axis=0)
    if n == o > 1:
        yield _BIAS, "δ summed over the outputs instead of the batch", delta.sum(axis=1)

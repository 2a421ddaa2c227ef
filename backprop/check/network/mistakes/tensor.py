"""Tensor: mistakes in one tensor alone, made from a right δ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line
from backprop.check.network.mistakes.batch import factor_mistakes
from backprop.check.network.mistakes.state import Got, Mistake, State

# Weight decay: a term λ · parameter that the loss has not, or that it has and the gradient has not.
#
# L + λ/2 Σ W² has the gradient dL/dW + λ W


def decayed(state: State, name: str, right: Array, got: Got) -> Iterator[tuple[Mistake, ...]]:
    """What explains a tensor by a multiple of its parameter, or of the parameter's sign."""
    run = state.run
    is_weight = name == run.names(state.k)[0]
    parameter = run.weights[state.k] if is_weight else run.biases[state.k]
    if np.count_nonzero(parameter) < 2:
        return
    for moving, word in ((parameter, "the parameter"), (np.sign(parameter), "the parameter's sign")):
        rate = fit_line(right, moving, got.tensors[name])
        if rate is None or rate == 0 or not got.fits(name, right + rate * moving):
            continue
        kind, sign = ("weight-decay-extra", "+") if rate > 0 else ("weight-decay-missing", "-")
        text = f"expected {sign} λ · {word} with λ = {abs(rate):.4g}"
        yield (Mistake(kind, text, tensors=(name,), fitted=True),)


# Mistakes in one tensor alone: δ is right, or as wrong as above, and dW or db is not rightly formed from it.

Explained = tuple[Mistake, ...]


def weight_mistakes(state: State, right: Array, got: Got) -> Iterator[Explained]:
    """What explains dW, given what xᵀ δ is."""
    run, k = state.run, state.k
    name = run.names(k)[0]
    tensor = got.tensors[name]
    yield from _zero(name, tensor)
    yield from _scaled(state, name, right, got)
    turned = right.T if right.shape[0] == right.shape[1] else right.T.reshape(right.shape)
    if got.fits(name, turned):
        yield (Mistake("transposed", "the transpose of expected", tensors=(name,)),)
    else:
        for mistakes in _scaled(state, name, turned, got):
            yield (Mistake("transposed", "the transpose of expected", tensors=(name,)), *mistakes)
    yield from decayed(state, name, right, got)
    for kind, other, text in _other_inputs(state):
        if got.fits(name, other.T @ state.delta):
            yield (Mistake(kind, text, tensors=(name,)),)
    for sample, other in _samples(run.n, lambda n: np.outer(run.x[k][n], state.delta[n])):
        if got.fits(name, other):
            yield (Mistake("one-sample-only", sample, tensors=(name,)),)
    if k == run.depth - 1:
        yield from _columns(name, right, got)


def bias_mistakes(state: State, right: Array, got: Got) -> Iterator[Explained]:
    """What explains db, given what Σₙ δ is."""
    run, name = state.run, state.run.names(state.k)[1]
    tensor, delta = got.tensors[name], state.delta
    yield from _zero(name, tensor)
    for mistakes in _scaled(state, name, right, got):
        kinds = {mistake.kind for mistake in mistakes}
        if kinds & {"sum-instead-of-mean", "mean-instead-of-sum"}:
            last = mistakes[-1]
            text = f"{last.text}: it is not summed or averaged as the weights are"
            kept = tuple(m for m in mistakes[:-1])
            yield (*kept, Mistake("bias-not-summed", text, tensors=(name,), also=last.also))
        else:
            yield mistakes
    yield from decayed(state, name, right, got)
    for sample, other in _samples(run.n, lambda n: delta[n]):
        if got.fits(name, other):
            yield (Mistake("bias-not-summed", f"{sample}: δ is not summed over the batch", tensors=(name,)),)
    for other, text in _other_sums(delta):
        if got.fits(name, other):
            yield (Mistake("bias-not-summed", text, tensors=(name,)),)
    if state.k == run.depth - 1:
        yield from _columns(name, right, got)


def _zero(name: str, tensor: Array) -> Iterator[Explained]:
    if not np.any(tensor):
        yield (Mistake("zero-gradient", "zero in every entry", tensors=(name,)),)


def _scaled(state: State, name: str, right: Array, got: Got) -> Iterator[Explained]:
    if np.count_nonzero(right) < 2:
        return
    k = fit_line(np.zeros_like(right), right, got.tensors[name])
    if k is None or k == 0 or not got.fits(name, k * right):
        return
    for value, mistakes in factor_mistakes(k, got.tolerance[name], state.run, tensors=(name,)):
        if got.fits(name, value * right):
            yield mistakes


def _other_inputs(state: State) -> Iterator[tuple[str, Array, str]]:
    run, k = state.run, state.k
    own = run.x[k]
    if k > 0:
        word = f"z{k}, before the activation, for the input of layer {k + 1}"
        yield "wrong-layer-input", run.z[k - 1], f"xᵀ δ with {word}"
    for m, other in enumerate(run.x):
        if m != k and other.shape == own.shape:
            yield (
                "wrong-layer-input",
                other,
                f"xᵀ δ with the input of layer {m + 1} for that of layer {k + 1}",
            )
    for m, other in enumerate(run.z):
        if m != k - 1 and other.shape == own.shape:
            yield "wrong-layer-input", other, f"xᵀ δ with z{m + 1} for the input of layer {k + 1}"
    if run.y.shape == own.shape:
        yield "wrong-layer-input", run.y, f"xᵀ δ with the network's output for the input of layer {k + 1}"
    yield "layer-term-missing", np.ones_like(own), "Σ δ in every row: the factor x is left out"
    if run.n > 1:
        yield "wrong-layer-input", own[::-1], "xᵀ δ with the samples of x in reverse order"
        yield "wrong-layer-input", np.roll(own, 1, axis=0), "xᵀ δ with the samples of x shifted by one"


def _samples(n: int, of: object) -> Iterator[tuple[str, Array]]:
    """What one sample alone would give, as a share of the mean and as a gradient of its own."""
    assert callable(of)
    if n == 1:
        return
    for k in dict.fromkeys((0, n - 1, *(range(n) if n <= 32 else ()))):
        words = {0: "the first sample", n - 1: "the last sample"}.get(k, f"sample {k}")
        yield f"the gradient of {words} alone, divided by n", of(k)
        yield f"the gradient of {words} alone", n * of(k)


def _other_sums(delta: Array) -> Iterator[tuple[Array, str]]:
    n, o = delta.shape
    yield np.full(o, delta.sum()), "one number, δ summed over batch and outputs"
    yield np.full(o, delta.mean()), "one number, the mean of δ over batch and outputs"
    yield np.full(o, delta.sum() / n), "one number, δ summed over batch and outputs, divided by n"
    if n == o and n > 1:
        yield delta.sum(axis=1), "δ summed over the outputs instead of the batch"
    if n > 1:
        yield np.abs(delta).sum(axis=0), "Σ |δ|"
        yield delta.max(axis=0), "the largest δ of the batch"
        yield np.square(delta).sum(axis=0), "Σ δ²"


def _columns(name: str, right: Array, got: Got) -> Iterator[Explained]:
    """The outputs in another order, each matched with the one that it is nearest to."""
    tensor = got.tensors[name]
    a, b = (np.atleast_2d(each) for each in (tensor, right))
    if a.shape[1] > 512:
        return
    order = np.array([int(np.argmin(np.linalg.norm(b - a[:, [k]], axis=0))) for k in range(a.shape[1])])
    if np.unique(order).size == order.size and got.fits(name, right[..., order]):
        moved = [f"{k} holds {j}" for k, j in enumerate(order) if k != j]
        text = f"expected with the classes in another order: {', '.join(moved[:6])}"
        yield (Mistake("classes-permuted", text + (", …" if len(moved) > 6 else ""), tensors=(name,)),)

"""Batch: the mean over it taken twice, not at all, or with other weights: a factor of δ, or one for every sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run
from backprop.check.network.mistakes.state import Got, Mistake, State, Wrong
from backprop.check.patterns import KNOWN_TO

# Factors: what a constant k with got = k · expected may stand for.


def factor_mistakes(
    k: float, tolerance: float, run: Run, *, layer: int | None = None, tensors: tuple[str, ...] = ()
) -> tuple[float, tuple[Mistake, ...]]:
    """The exact factor near `k` and the mistakes it stands for; a negative one is a sign beside them."""
    size, sign = abs(k), 1 if k > 0 else -1
    turned = (Mistake("sign", "-1 · expected", layer, tensors),) if k < 0 else ()
    known = known_factors(*run.y.shape)
    near = [each for each in known if abs(size - each[0]) <= KNOWN_TO * tolerance * each[0]]
    if k < 0 and abs(size - 1) <= KNOWN_TO * tolerance:
        return -1.0, turned
    if not near:
        text = f"{size:.6g} · expected"
        return k, (*turned, Mistake("constant-factor", text, layer, tensors, fitted=True))
    value, kind, text = near[0]
    others = tuple(dict.fromkeys(other for _, other, _ in near if other != kind))
    return sign * value, (*turned, Mistake(kind, text, layer, tensors, also=others))


def known_factors(n: int, c: int) -> Iterator[tuple[float, str, str]]:
    """Factors that have a meaning for n samples and c outputs, the likeliest first, with a kind and words."""
    more, less, constant = "sum-instead-of-mean", "mean-instead-of-sum", "constant-factor"
    if n > 1:
        yield n, more, f"n · expected, n = {n}"
        yield 1 / n, less, f"expected / n, n = {n}"
    yield 2.0, constant, "2 · expected"
    yield 0.5, constant, "½ · expected"
    if n > 1:
        both = f"n = {n} and c = {c}"
        yield n * c, more, f"n c · expected, {both}"
        yield 1 / (n * c), less, f"expected / (n c), {both}"
        yield n * c / 2, more, f"n c / 2 · expected, {both}"
    if c > 1:
        summed, averaged = (f", as with a {word} over the outputs in the loss" for word in ("sum", "mean"))
        yield c, constant, f"c · expected, c = {c} classes{summed}"
        yield 1 / c, constant, f"expected / c, c = {c} classes{averaged}"
        yield c / 2, constant, f"c/2 · expected, c = {c} classes"
        yield 2 / c, constant, f"2/c · expected, c = {c} classes"
    if n > 1:
        yield n / (n - 1), constant, f"n / (n - 1) · expected, n = {n}"
        yield (n - 1) / n, constant, f"(n - 1) / n · expected, n = {n}"
    if n > 2:
        yield n / 2, more, f"n/2 · expected, n = {n}"


_NO_FACTOR = 1e-9
"""A factor so near to one is none."""


def scaled(state: State, got: Got) -> Iterator[State]:
    """δ times the factor by which both tensors of the layer differ from it."""
    k = got.number(state.run, state.k, np.zeros_like(state.delta), state.delta)
    if not k or abs(k - 1) < _NO_FACTOR or np.count_nonzero(state.delta) < 2:
        return
    fitted = state.with_mistake(delta=k * state.delta).tensors
    if all(got.fits(name, tensor) for name, tensor in fitted.items()):
        tolerance = max(got.tolerance.get(name, 0.0) for name in fitted)
        value, mistakes = factor_mistakes(k, tolerance, state.run, layer=state.k)
        yield state.with_mistake(*mistakes, delta=state.delta * value)


# Weights of the samples: only one sample counts, one is left out, or some count several times.

ONE, _SOME = "one-sample-only", "samples-missing"
_MOST_NAMED, _MOST_SAMPLES, _MOST_TIMES = 64, 512, 9
"""The most samples that are tried alone or solved for, and how often one sample may be counted."""
_WHOLE = 0.01
"""A weight that is this near to a whole number is taken for that number."""


def weighted(state: State, got: Got) -> Iterator[Wrong]:
    """δ with other weights for the samples."""
    for kind, text, s in sample_weights(state.run.n):
        yield Wrong(kind, text, state.delta * s[:, None])
    solved = _solved(state, got)
    if solved is not None:
        counts = ", ".join(f"sample {k} {solved[k]:g} times" for k in np.flatnonzero(solved != 1)[:5])
        yield Wrong(_SOME, f"the gradient with {counts}", state.delta * solved[:, None])


def sample_weights(n: int) -> Iterator[tuple[str, str, Array]]:
    """Weights (n,) of one sample alone, or of all but one: the kind, what the gradient is then, and the weights.

    Of the first and the last sample first, and of one sample as a share of the mean, or as a gradient of its own.
    """
    names = {0: "the first sample", n - 1: "the last sample"}
    for k in dict.fromkeys((0, n - 1, *(range(n) if n <= _MOST_NAMED else ()))) if n > 1 else ():
        one, name = np.eye(n)[k], names.get(k, f"sample {k}")
        yield ONE, f"the gradient of {name} alone, divided by n", one
        yield ONE, f"the gradient of {name} alone, not divided by n", n * one
        if k in names and n > 2:
            yield _SOME, f"the gradient without {name}", 1 - one
            text = f"the gradient without {name}, divided by the number of the others"
            yield _SOME, text, (1 - one) * n / (n - 1)


def _solved(state: State, got: Got) -> Array | None:
    """The whole numbers s for which Σ s[n] x[n] δ[n]ᵀ is dW; None where there are none.

    The normal equations have (x xᵀ) ∘ (δ δᵀ) for their matrix, n x n.
    """
    run, name = state.run, state.run.names(state.k)[0]
    if name not in got.tensors or not 1 < run.n <= _MOST_SAMPLES:
        return None
    x, delta = run.x[state.k], state.delta
    matrix = (x @ x.T) * (delta @ delta.T)
    data_term = got.tensors[name] - run.decay * run.weights[state.k]
    s, _, rank, _ = np.linalg.lstsq(matrix, np.sum((x @ data_term) * delta, axis=1), rcond=None)
    whole = np.rint(s)
    is_whole = rank == run.n and np.max(np.abs(s - whole)) <= _WHOLE
    several = np.count_nonzero(whole) >= 2 and np.any(whole != whole[0])
    return np.asarray(whole) if is_whole and several and np.max(np.abs(whole)) <= _MOST_TIMES else None

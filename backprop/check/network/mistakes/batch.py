"""Batch: the mean over it taken twice, not at all, or with other weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line
from backprop.check.network.mistakes.state import Got, Mistake, Run, State
from backprop.verify.agreement import norm

# Factors: what a constant k with got = k · expected may stand for.

_ROOM = 4
"""Times the tolerance of a tensor: a factor that was fitted to it is known to about that."""


def factor_mistakes(
    k: float, tolerance: float, run: Run, *, layer: int | None = None, tensors: tuple[str, ...] = ()
) -> Iterator[tuple[float, tuple[Mistake, ...]]]:
    """The exact factor near `k` and the mistakes it stands for; a negative one is a sign beside them."""
    size, sign = abs(k), 1 if k > 0 else -1
    turned = (Mistake("sign", "-1 · expected", layer, tensors),) if k < 0 else ()
    near = [each for each in _known(run) if abs(size - each[0]) <= _ROOM * tolerance * each[0]]
    if k < 0 and abs(size - 1) <= _ROOM * tolerance:
        yield -1.0, turned
    elif not near:
        text = f"{size:.6g} · expected"
        yield k, (*turned, Mistake("constant-factor", text, layer, tensors, fitted=True))
    else:
        value, kind, text = near[0]
        others = tuple(dict.fromkeys(other for _, other, _ in near if other != kind))
        yield sign * value, (*turned, Mistake(kind, text, layer, tensors, also=others))


def _known(run: Run) -> Iterator[tuple[float, str, str]]:
    """Factors that have a meaning, the likeliest first."""
    n, c = run.n, run.y.shape[1]
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


# Mistakes over the batch: another factor throughout, only some samples, or samples counted twice.
#
# Both act on δ: a factor k on all of it, a weight s[n] on the δ of each sample.

_ONE, _SOME = "one-sample-only", "samples-missing"
_NO_FACTOR = 1e-9
"""A factor so near to one is none."""
_MOST_SAMPLES, _MOST_TIMES = 512, 9
"""Samples whose weights are solved for, at most, and how often one may be counted."""
_WHOLE = 0.01
"""A weight so near to a whole number is one."""


def scaled(state: State, got: Got) -> Iterator[State]:
    """δ times the factor by which both tensors of the layer differ from it."""
    run, h = state.run, state.bias_gradient
    weights, bias = run.names(state.k)
    if bias in got.tensors:
        k = fit_line(np.zeros_like(h), h, got.tensors[bias])
    elif weights in got.tensors:
        full = run.x[state.k].T @ state.delta
        k = fit_line(run.decay * run.weights[state.k], full, got.tensors[weights])
    else:
        return
    if k is None or k == 0 or abs(k - 1) < _NO_FACTOR or not got.fits(bias, k * h):
        return
    if not got.fits(weights, state.with_mistake(delta=state.delta * k).weight_gradient):
        return
    if np.count_nonzero(h) + np.count_nonzero(state.delta) < 2 or norm(h) == 0:
        return
    tolerance = max(got.tolerance.get(weights, 0.0), got.tolerance.get(bias, 0.0))
    for value, mistakes in factor_mistakes(k, tolerance, run, layer=state.k):
        yield state.with_mistake(*mistakes, delta=state.delta * value)


def sample_names(n: int, most: int) -> Iterator[tuple[int, str]]:
    """The first and the last of n samples, and all of up to `most`, with their names; none of a single one."""
    names = {0: "the first sample", n - 1: "the last sample"}
    for k in dict.fromkeys((0, n - 1, *(range(n) if n <= most else ()))) if n > 1 else ():
        yield k, names.get(k, f"sample {k}")


def weighted(state: State, got: Got) -> Iterator[State]:
    """δ with other weights for the samples."""
    n = state.run.n
    for k, name in sample_names(n, most=64):
        alone = f"the gradient of {name} alone"
        yield _with(state, np.eye(n)[k], _ONE, f"{alone}, divided by n")
        yield _with(state, n * np.eye(n)[k], _ONE, f"{alone}, not divided by n")
    for k, name in sample_names(n, most=0) if n > 2 else ():
        s = 1 - np.eye(n)[k]
        yield _with(state, s, _SOME, f"the gradient without {name}")
        yield _with(
            state, s * n / (n - 1), _SOME, f"the gradient without {name}, divided by the number of the others"
        )
    found = _solved(state, got) if n > 1 else None
    if found is not None:
        counts = ", ".join(f"sample {k} {found[k]:g} times" for k in np.flatnonzero(found != 1)[:5])
        yield _with(state, found, _SOME, f"the gradient with {counts}")


def _with(state: State, s: Array, kind: str, text: str) -> State:
    return state.wrong(kind, text, state.delta * s[:, None])


def _solved(state: State, got: Got) -> Array | None:
    """The whole numbers s for which Σ s[n] x[n] δ[n]ᵀ is dW; None where there are none.

    The normal equations have (x xᵀ) ∘ (δ δᵀ) for their matrix, n x n.
    """
    run, name = state.run, state.run.names(state.k)[0]
    if name not in got.tensors or run.n > _MOST_SAMPLES:
        return None
    x, delta = run.x[state.k], state.delta
    matrix = (x @ x.T) * (delta @ delta.T)
    s, _, rank, _ = np.linalg.lstsq(matrix, np.sum((x @ got.tensors[name]) * delta, axis=1), rcond=None)
    whole = np.rint(s)
    is_whole = rank == run.n and np.max(np.abs(s - whole)) <= _WHOLE
    several = np.count_nonzero(whole) >= 2 and np.any(whole != whole[0])
    return np.asarray(whole) if is_whole and several and np.max(np.abs(whole)) <= _MOST_TIMES else None

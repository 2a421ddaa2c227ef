"""Batch: the mean over it taken twice, not at all, or with other weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line
from backprop.check.network.mistakes.state import Got, Mistake, Run, State
from backprop.verify.agreement import norm

# Factors: what a constant k with got = k · expected may stand for.


def factor_mistakes(
    k: float, tolerance: float, run: Run, *, layer: int | None = None, tensors: tuple[str, ...] = ()
) -> Iterator[tuple[float, tuple[Mistake, ...]]]:
    """The exact factor near `k` and the mistakes it stands for; a negative one is a sign beside them."""
    size = abs(k)
    turned = (Mistake("sign", "-1 · expected", layer, tensors),) if k < 0 else ()
    near = [each for each in _known(run) if abs(size - each[0]) <= 4 * tolerance * each[0]]
    if k < 0 and abs(size - 1) <= 4 * tolerance:
        yield -1.0, turned
        return
    if not near:
        text = f"{size:.6g} · expected"
        yield k, (*turned, Mistake("constant-factor", text, layer, tensors, fitted=True))
        return
    kinds = list(dict.fromkeys(kind for _, kind, _ in near))
    value, kind, text = near[0]
    yield (
        value if k > 0 else -value,
        (*turned, Mistake(kind, text, layer, tensors, also=tuple(kinds[1:]))),
    )


def _known(run: Run) -> Iterator[tuple[float, str, str]]:
    """Factors that have a meaning, the likeliest first."""
    n, c = run.n, run.y.shape[1]
    if n > 1:
        yield n, "sum-instead-of-mean", f"n · expected, n = {n}"
        yield 1 / n, "mean-instead-of-sum", f"expected / n, n = {n}"
    for factor, text in ((2.0, "2 · expected"), (0.5, "½ · expected")):
        yield factor, "constant-factor", text
    if n > 1:
        yield n * c, "sum-instead-of-mean", f"n c · expected, n = {n} and c = {c}"
        yield 1 / (n * c), "mean-instead-of-sum", f"expected / (n c), n = {n} and c = {c}"
        yield n * c / 2, "sum-instead-of-mean", f"n c / 2 · expected, n = {n} and c = {c}"
    if c > 1:
        yield c, "constant-factor", f"c · expected, c = {c} classes"
        yield 1 / c, "constant-factor", f"expected / c, c = {c} classes"
        yield c / 2, "constant-factor", f"c/2 · expected, c = {c} classes"
        yield 2 / c, "constant-factor", f"2/c · expected, c = {c} classes"
    if n > 1:
        yield n / (n - 1), "constant-factor", f"n / (n - 1) · expected, n = {n}"
        yield (n - 1) / n, "constant-factor", f"(n - 1) / n · expected, n = {n}"
        if n > 2:
            yield n / 2, "sum-instead-of-mean", f"n/2 · expected, n = {n}"


# Mistakes over the batch: another factor throughout, only some samples, or samples counted twice.
#
# Both act on δ: a factor k on all of it, a weight s[n] on the δ of each sample.

_ONE, _SOME = "one-sample-only", "samples-missing"


def scaled(state: State, got: Got) -> Iterator[State]:
    """The same δ times a factor that both tensors of the layer ask for."""
    run = state.run
    weights, bias = run.names(state.k)
    h = state.bias_gradient
    full = run.x[state.k].T @ state.delta if bias not in got.tensors else None
    if bias in got.tensors:
        k = fit_line(np.zeros_like(h), h, got.tensors[bias])
    elif weights in got.tensors and full is not None:
        k = fit_line(run.decay * run.weights[state.k], full, got.tensors[weights])
    else:
        return
    if k is None or k == 0 or abs(k - 1) < 1e-9 or not got.fits(bias, k * h):
        return
    moved = state.with_mistake(delta=state.delta * k)
    if not got.fits(weights, moved.weight_gradient):
        return
    if np.count_nonzero(h) + np.count_nonzero(state.delta) < 2 or norm(h) == 0:
        return
    tolerance = max(got.tolerance.get(weights, 0.0), got.tolerance.get(bias, 0.0))
    for value, mistakes in factor_mistakes(k, tolerance, run, layer=state.k):
        yield state.with_mistake(*mistakes, delta=state.delta * value)


def weighted(state: State, got: Got) -> Iterator[State]:
    """δ with other weights for the samples."""
    n = state.run.n
    if n == 1:
        return
    for k in dict.fromkeys((0, n - 1, *(range(n) if n <= 64 else ()))):
        for factor, words in ((1.0, "divided by n"), (float(n), "not divided by n")):
            s = np.zeros(n)
            s[k] = factor
            name = {0: "the first sample", n - 1: "the last sample"}.get(k, f"sample {k}")
            yield _with(state, s, _ONE, f"the gradient of {name} alone, {words}")
    if n > 2:
        for dropped, words in (([0], "the first sample"), ([n - 1], "the last sample")):
            s = np.ones(n)
            s[dropped] = 0
            yield _with(state, s, _SOME, f"the gradient without {words}")
            s = s * n / s.sum()
            yield _with(state, s, _SOME, f"the gradient without {words}, divided by the number of the others")
    found = _solved(state, got)
    if found is not None:
        counts = ", ".join(f"sample {k} {found[k]:g} times" for k in np.flatnonzero(found != 1)[:5])
        yield _with(state, found, _SOME, f"the gradient with {counts}")


def _with(state: State, s: Array, kind: str, text: str) -> State:
    return state.with_mistake(Mistake(kind, text, layer=state.k), delta=state.delta * s[:, None])


def _solved(state: State, got: Got) -> Array | None:
    """The whole numbers s for which Σ s[n] x[n] δ[n]ᵀ is dW; None where there are none.

    The normal equations have (x xᵀ) ∘ (δ δᵀ) for their matrix, n x n.
    """
    run, name = state.run, state.run.names(state.k)[0]
    if name not in got.tensors or run.n > 512:
        return None
    x, delta = run.x[state.k], state.delta
    matrix = (x @ x.T) * (delta @ delta.T)
    s, _, rank, _ = np.linalg.lstsq(matrix, np.sum((x @ got.tensors[name]) * delta, axis=1), rcond=None)
    whole = np.rint(s)
    if (
        rank < run.n
        or np.count_nonzero(whole) < 2
        or np.max(np.abs(s - whole)) > 0.01
        or np.all(whole == whole[0])
        or np.max(np.abs(whole)) > 9
    ):
        return None
    return np.asarray(whole)

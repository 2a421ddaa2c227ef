"""Labels: those of other samples, counted from another class, or in another order of the classes.

For a δ that is affine in the one-hot labels, δ = A + B t, the labels that were used can be read off: with
fewer samples than inputs of the last layer, xᵀ δ = dW has one solution δ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.run import Run
from backprop.check.network.hypotheses.state import Got, Mistake, State

_SHIFTED, _PERMUTED = "labels-shifted", "classes-permuted"


def other_labels(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer with other labels."""
    run = right.run
    seen = {run.labels.tobytes()}
    for kind, labels, text in (*_enumerated(run), *_read_off(run, got), *_matched(run, got)):
        if labels.tobytes() in seen:
            continue
        seen.add(labels.tobytes())
        other = run.again(labels=labels)
        # Where no class comes twice, any other labels are the classes in another order as well.
        twice = np.unique(run.labels).size < run.n
        also = () if twice or kind != _PERMUTED else (_SHIFTED,)
        mistake = Mistake(kind, f"the gradient with {text}", layer=right.k, also=also)
        yield State(other, right.k, other.output_delta(), (mistake,))


def _enumerated(run: Run) -> Iterator[tuple[str, Array, str]]:
    y, c = run.labels, run.y.shape[1]
    yield _SHIFTED, np.roll(y, 1), "the label of the sample before"
    yield _SHIFTED, np.roll(y, -1), "the label of the next sample"
    yield _SHIFTED, y[::-1].copy(), "the labels in reverse order"
    yield _SHIFTED, np.sort(y), "the labels sorted"
    yield _SHIFTED, (y + 1) % c, "the next class for every label"
    yield _SHIFTED, (y - 1) % c, "the class before for every label"
    yield _SHIFTED, np.minimum(y + 1, c - 1), "the next class for every label, but for the last"
    yield _SHIFTED, np.maximum(y - 1, 0), "the class before for every label, but for the first"
    yield _PERMUTED, c - 1 - y, "the classes counted from the end"
    for k in range(c if c <= 100 else 0):
        yield _SHIFTED, np.full_like(y, k), f"the label {k} for every sample"
    for k in range(run.n if run.n <= 100 else 0):
        yield _SHIFTED, np.full_like(y, y[k]), f"the label of sample {k} for every sample"


def _one_hot_slope(run: Run) -> tuple[Array, float] | None:
    """(A, B) of δ = A + B t; None where δ is not of that form."""
    if run.fused:
        return run.y / run.n, -1 / run.n
    if run.activations[-1] is None and run.network.loss_function.name == "mean-squared-error":
        return 2 * run.y / run.y.size, -2 / run.y.size
    return None


def _read_off(run: Run, got: Got) -> Iterator[tuple[str, Array, str]]:
    """The labels that were used, solved for from dW of the last layer."""
    weights = run.names(run.depth - 1)[0]
    form, x = _one_hot_slope(run), run.x[-1]
    if form is None or weights not in got.tensors or run.n > min(x.shape[1], 512):
        return
    delta, _, rank, _ = np.linalg.lstsq(x.T, got.tensors[weights], rcond=None)
    if rank < run.n:
        return
    t = (delta - form[0]) / form[1]
    labels = t.argmax(axis=1).astype(run.labels.dtype)
    if np.max(np.abs(t - np.eye(t.shape[1])[labels])) < 0.1:
        yield _told_apart(run, labels)


def _matched(run: Run, got: Got) -> Iterator[tuple[str, Array, str]]:
    """Every class of the labels matched with the class for which it was taken, by its share in dW."""
    weights = run.names(run.depth - 1)[0]
    form, x = _one_hot_slope(run), run.x[-1]
    if form is None or weights not in got.tensors:
        return
    own = x.T @ run.targets  # (i, c): the sum of the inputs of each class
    taken = (got.tensors[weights] - x.T @ form[0]) / form[1]
    distance = np.linalg.norm(taken[:, None, :] - own[:, :, None], axis=0)  # (class, taken for)
    mapped = distance.argmin(axis=1)
    yield _told_apart(run, mapped[run.labels].astype(run.labels.dtype))


def _told_apart(run: Run, labels: Array) -> tuple[str, Array, str]:
    """Whether other labels are another order of the classes, or belong to other samples."""
    pairs = sorted({(int(a), int(b)) for a, b in zip(run.labels, labels, strict=True)})
    sources, targets = {a for a, _ in pairs}, {b for _, b in pairs}
    moved = [f"{a} for {b}" for b, a in pairs if a != b]
    if len(pairs) == len(sources) == len(targets):
        text = f"the classes in another order: {', '.join(moved[:6])}{', …' if len(moved) > 6 else ''}"
        return _PERMUTED, labels, text
    changed = np.flatnonzero(labels != run.labels)
    some = ", ".join(f"{labels[k]} instead of {run.labels[k]} for sample {k}" for k in changed[:3])
    return _SHIFTED, labels, f"other labels: {some}{', …' if len(changed) > 3 else ''}"

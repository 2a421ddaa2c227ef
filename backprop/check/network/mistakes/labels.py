"""Labels: those of other samples, counted from another class, or with the classes in another order.

Where δ is affine in the one-hot labels, δ = A + B t, the labels that the gradient used follow from it: if there are
fewer samples than inputs of the last layer, xᵀ δ = dW has one solution δ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run
from backprop.check.network.mistakes.state import Got, State, Wrong
from backprop.check.words import some

_SHIFTED, _PERMUTED = "labels-shifted", "classes-permuted"
_ONE_HOT = 0.1
"""Solved one-hot labels are trusted only if all entries are this near to 0 or 1."""
_MOST_SOLVED, _MOST_TRIED = 512, 100
"""The most samples whose labels are solved for, and the most classes that are tried as everybody's label."""


def other_labels(right: State, got: Got) -> Iterator[Wrong]:
    """δ of the last layer with other labels."""
    run, seen = right.run, {right.run.labels.tobytes()}
    for kind, labels, text in (*_enumerated(run), *(_told_apart(run, each) for each in _solved(run, got))):
        if labels.tobytes() not in seen:
            seen.add(labels.tobytes())
            other = replace(run, labels=labels)
            # If no class comes twice, labels of other samples look like another order of the classes.
            twice = np.unique(run.labels).size < run.n
            also = () if twice or kind != _PERMUTED else (_SHIFTED,)
            yield Wrong(kind, f"the gradient with {text}", other.output_delta(), run=other, also=also)


def _enumerated(run: Run) -> Iterator[tuple[str, Array, str]]:
    y, c = run.labels, run.network.label_classes
    yield _SHIFTED, np.roll(y, 1), "the label of the sample before"
    yield _SHIFTED, np.roll(y, -1), "the label of the next sample"
    yield _SHIFTED, y[::-1].copy(), "the labels in reverse order"
    yield _SHIFTED, np.sort(y), "the labels sorted"
    yield _SHIFTED, (y + 1) % c, "the next class for every label"
    yield _SHIFTED, (y - 1) % c, "the class before for every label"
    yield _SHIFTED, np.minimum(y + 1, c - 1), "the next class for every label but the last"
    yield _SHIFTED, np.maximum(y - 1, 0), "the class before for every label but the first"
    yield _PERMUTED, c - 1 - y, "the classes counted from the end"
    for k in range(c) if c <= _MOST_TRIED else np.unique(y)[:_MOST_TRIED]:
        yield _SHIFTED, np.full_like(y, k), f"the label {k} for every sample"


def _solved(run: Run, got: Got) -> Iterator[Array]:
    """Labels that dW of the last layer may have used: solved sample by sample, then class by class."""
    weights, x = run.names(run.depth - 1)[0], run.x[-1]
    if run.fused:
        slope = -1 / run.n
    elif run.activations[-1] is None and run.network.loss_function.name == "mean-squared-error":
        slope = -2 / run.y.size
    else:
        return  # δ is not affine in the one-hot labels
    if run.y.shape[1] == 1 or weights not in got.tensors:
        return  # a network with one output has no other class
    # xᵀ t for the labels that were used, from dW = xᵀ (A + B t)
    taken = (got.tensors[weights] - run.decay * run.weights[-1] + slope * x.T @ run.y) / slope
    if run.n <= min(x.shape[1], _MOST_SOLVED):
        t, _, rank, _ = np.linalg.lstsq(x.T, taken, rcond=None)
        labels = t.argmax(axis=1).astype(run.labels.dtype)
        if rank == run.n and np.max(np.abs(t - np.eye(t.shape[1])[labels])) < _ONE_HOT:
            yield labels
    own = x.T @ run.targets  # (i, c): the sum of the inputs of each class
    # (class, the class that it was taken for)
    distance = np.linalg.norm(taken[:, None, :] - own[:, :, None], axis=0)
    yield distance.argmin(axis=1)[run.labels].astype(run.labels.dtype)


def _told_apart(run: Run, labels: Array) -> tuple[str, Array, str]:
    """The kind and words of other labels: the classes in another order, or labels of other samples."""
    pairs = sorted({(int(a), int(b)) for a, b in zip(run.labels, labels, strict=True)})
    sources, targets = {a for a, _ in pairs}, {b for _, b in pairs}
    moved = [f"{a} for {b}" for b, a in pairs if a != b]
    if len(pairs) == len(sources) == len(targets):
        return _PERMUTED, labels, f"the classes in another order: {some(moved)}"
    changed = np.flatnonzero(labels != run.labels)
    seen = some(f"{labels[k]} instead of {run.labels[k]} for sample {k}" for k in changed)
    return _SHIFTED, labels, f"other labels: {seen}"

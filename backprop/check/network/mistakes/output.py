"""Output: a wrong δ of the last layer, of another output activation or of another loss or part of a loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.run import Run
from backprop.check.network.mistakes.state import Got, State, Wrong, fit_line
from backprop.check.network.mistakes.steps import wrong_slopes
from backprop.layers import ACTIVATIONS, Softmax
from backprop.losses import LOSSES
from backprop.verify.agreement import norm

# Mistakes between the loss and the last linear layer: the output's Jacobian cut down, doubled, left out, or
# askew.
#
# Right, for softmax and cross-entropy, is δ = (p - t) / n with t one-hot; through the chain -t/p · p (1 - p) and
# so on.

_DIAGONAL, _TWICE, _AXIS, _TERM = (
    "softmax-diagonal-only",
    "softmax-applied-twice",
    "softmax-wrong-axis",
    "layer-term-missing",
)


def wrong_output(right: State, got: Got) -> Iterator[Wrong]:
    """δ of the last layer with something else for the output's Jacobian."""
    run, delta = right.run, right.delta
    if not isinstance(run.activations[-1], Softmax):
        dy = run.network.loss_function.gradient(run.y, run.labels)
        yield from wrong_slopes(run, right.k, dy, got)
        return
    p, t = run.y, run.targets
    if run.fused:
        with np.errstate(divide="ignore", invalid="ignore"):
            dp = np.where(t > 0, -t / p, 0.0) / run.n
    else:
        dp = run.network.loss_function.gradient(p, run.labels)
    back = "a backward pass with"
    yield Wrong(_DIAGONAL, f"{back} p (1 - p) for the softmax Jacobian", dp * p * (1 - p))
    yield Wrong(_DIAGONAL, f"{back} p on the diagonal for the softmax Jacobian", dp * p)
    yield Wrong(_TERM, f"{back}out the softmax Jacobian", dp)
    twice = p * (delta - np.sum(p * delta, axis=1, keepdims=True))
    yield Wrong(_TWICE, f"{back} the softmax Jacobian applied once more, on top of p - t", twice)
    yield Wrong(_TWICE, f"{back} p - t multiplied by p (1 - p)", delta * p * (1 - p))
    yield Wrong(_TWICE, f"{back} p - t multiplied by p", delta * p)
    z = run.z[-1]
    for largest in (z.max(), z.max(axis=1, keepdims=True)) if run.fused else ():
        e = np.exp(z - largest)
        for total, axis in (e.sum(axis=0), "over the batch"), (e.sum(), "over batch and classes at once"):
            q, text = e / total, f"a gradient with the softmax taken {axis}"
            yield Wrong(_AXIS, text, (q - t) / run.n, run=replace(run, y=q))


# The gradient of another loss, or of a part of it: δ of the last layer as that loss has it.

_KIND = "other-loss"
_LARGEST_EPSILON = 0.1
"""An ε in the logarithm is tiny beside probabilities, which are at most 1."""
_ROUNDING = 1e-12
"""Relative: what the rounding of float64 leaves of a difference of two ways to write the same."""
_NEWTON, _CONVERGED = 20, 1e-14
"""Steps of Newton's method at most; it doubles the digits of ε with each, up to those of float64."""


def other_losses(right: State, got: Got) -> Iterator[Wrong]:
    """δ of the last layer under other losses."""
    run = right.run
    for delta, text in (*_known_losses(run), *_parts_of_losses(run)):
        k = fit_line(np.zeros_like(delta), right.delta, delta)
        if k is None or norm(delta - k * right.delta) > _ROUNDING * norm(delta):
            yield Wrong(_KIND, f"the gradient of {text}", delta)  # a multiple of the own loss is no other one
    if run.fused and isinstance(run.activations[-1], Softmax):
        yield from _stabilised(run, got)


def _known_losses(run: Run) -> Iterator[tuple[Array, str]]:
    """Every loss that has a file, of the output that it needs, or of the network's own and of the logits."""
    z, c = run.z[-1], run.y.shape[1]
    for name, kind in LOSSES.items():
        loss = kind()
        if loss.label_classes(c) < run.network.label_classes:
            continue
        head = None if loss.needs_output is None else ACTIVATIONS[loss.needs_output]()
        fused = loss if head is None else loss.after(head)
        of_logits = None if fused is None else fused.gradient(z, run.labels)
        if of_logits is not None:
            words = f"the {name} of {'the logits' if head is None else f'a {head.name}'}"
            yield of_logits, words
            yield of_logits / c, f"{words}, averaged over the classes, too"
        if head is None:
            yield run.through(run.depth - 1, loss.gradient(run.y, run.labels)), f"the {name}"


def _parts_of_losses(run: Run) -> Iterator[tuple[Array, str]]:
    """Losses without their labels or softmax, and variants of the squared and the absolute error."""
    z, y, t = run.z[-1], run.y, run.targets
    n, c = z.shape
    p, q = (ACTIVATIONS[name]().forward({}, z) for name in ("softmax", "sigmoid"))
    # Also of a single output, whose softmax is always 1.
    yield ((p - t) / n, "the cross-entropy of the softmax")
    yield p / n, "log Σ exp z: the labels are not subtracted"
    yield -t / n, "-z at the label: the softmax is not in it"
    for factor, words in squared_errors(n, c):
        yield run.through(run.depth - 1, factor * (y - t)), words
        yield factor * (z - t), f"{words} of the logits"
        yield factor * (q - t) * q * (1 - q), f"{words} of a sigmoid's outputs"
    losses = [(np.sign(y - t) / n, "the absolute error, summed over the classes")]
    losses += [(np.sign(y - t) / (n * c), "the mean absolute error")]
    if run.network.loss_function.name == "mean-squared-error":
        losses += [(2 * y / (n * c), "the mean square of the outputs: the labels are not subtracted")]
    for dy, words in losses:
        yield run.through(run.depth - 1, dy), words


def squared_errors(n: int, c: int) -> Iterator[tuple[float, str]]:
    """The ways to write the squared error: k of the gradient k (y - t), where the loss is k/2 Σ (y - t)²."""
    yield 2 / (n * c), "the mean squared error"
    yield 1 / (n * c), "half of the mean squared error"
    yield 2 / n, "the squared error"
    yield 1 / n, "half of the squared error"
    yield 2.0, "the sum of the squared error over the batch"
    yield 1.0, "half of the sum of the squared error over the batch"


def _stabilised(run: Run, got: Got) -> Iterator[Wrong]:
    """An ε in a logarithm or a quotient multiplies a part of δ by T / (T + ε).

    -log(p + ε): all of δ, where T is p of the sample's own class. exp z / (S + ε): the part p of δ, where T = S is
    Σ exp z, with or without the largest logit subtracted.
    """
    p, t = run.y, run.targets
    own = p[np.arange(run.n), run.labels][:, None]
    largest = run.z[-1].max(axis=1, keepdims=True)
    shifted = np.exp(run.z[-1] - largest).sum(axis=1, keepdims=True)
    softmax = "with exp z / (Σ exp z + ε) for the softmax"
    with np.errstate(all="ignore"):  # a probability may be 0
        unshifted = shifted * np.exp(largest)
        for total, moving, fixed, text, words in (
            (own, p - t, 0 * t, "of -log(p + ε)", ""),
            (shifted, p, -t, softmax, ", the largest z subtracted"),
            (unshifted, p, -t, softmax, ""),
        ):
            epsilon = 0.0
            for _ in range(_NEWTON):
                scaled = moving * total / (total + epsilon) / run.n
                step = got.number(run, run.depth - 1, scaled + fixed / run.n, -scaled / (total + epsilon))
                if step is None or abs(step) <= _CONVERGED * epsilon:
                    break
                epsilon = max(epsilon + step, 0.0)
            if 0 < epsilon < _LARGEST_EPSILON:
                delta = (moving * total / (total + epsilon) + fixed) / run.n
                yield Wrong(_KIND, f"the gradient {text}, ε = {epsilon:.3g}{words}", delta, fitted=True)

"""The gradient of another loss, or of a part of it: δ of the last layer as that loss has it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backprop.arrays import Array
from backprop.check.network.hypotheses.edges import fit_line
from backprop.check.network.hypotheses.run import Run
from backprop.check.network.hypotheses.state import Got, Mistake, State
from backprop.layers import Softmax

_KIND = "other-loss"


def other_losses(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer under other losses."""
    run = right.run
    for delta, text in (*_from_logits(run), *_from_outputs(run)):
        yield right.but(Mistake(_KIND, f"the gradient of {text}", layer=right.k), delta=delta)
    yield from _stabilised(right, got)


def _from_logits(run: Run) -> Iterator[tuple[Array, str]]:
    z, t, n = run.z[-1], run.targets, run.n
    c = z.shape[1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    q = 1 / (1 + np.exp(-z))
    if not run.fused:
        yield (p - t) / n, "the cross-entropy of the softmax"
        yield (p - t) / (n * c), "the cross-entropy of the softmax, averaged over the classes, too"
    yield p / n, "log Σ exp z: the labels are not subtracted"
    yield -t / n, "-z at the label: the softmax is not in it"
    yield (q - t) / n, "the binary cross-entropy of a sigmoid for every class"
    yield (q - t) / (n * c), "the binary cross-entropy of a sigmoid, averaged over the classes"
    dq = (q - t) * q * (1 - q)
    for factor, words in _factors(n, c):
        yield factor * dq, f"{words} of a sigmoid's outputs"
    gaps = np.where(t > 0, 0.0, z - z[np.arange(n), run.labels][:, None] + 1)
    hinge = np.where((t == 0) & (gaps > 0), 1.0, 0.0)
    hinge[np.arange(n), run.labels] = -hinge.sum(axis=1)
    yield hinge / n, "the multi-class hinge loss"


def _from_outputs(run: Run) -> Iterator[tuple[Array, str]]:
    y, t, n = run.y, run.targets, run.n
    c = y.shape[1]
    losses = [(factor * (y - t), words) for factor, words in _factors(n, c)]
    if run.network.loss_function.name == "mean-squared-error":
        losses += [(2 * y / (n * c), "the mean square of the outputs: the labels are not subtracted")]
    losses += [(np.sign(y - t) / n, "the absolute error, summed over the classes")]
    losses += [(np.sign(y - t) / (n * c), "the mean absolute error")]
    for dy, words in losses:
        if run.fused or "squared" not in words:  # in multiples of itself the loss is no other one
            yield run.through(run.depth - 1, dy), words
    if isinstance(run.activations[-1], Softmax) or run.activations[-1] is None:
        for factor, words in _factors(n, c):
            if run.activations[-1] is not None:
                yield factor * (run.z[-1] - t), f"{words} of the logits"


def _factors(n: int, c: int) -> Iterator[tuple[float, str]]:
    """The constants with which the squared error is written."""
    yield 2 / (n * c), "the mean squared error"
    yield 1 / (n * c), "half of the mean squared error"
    yield 2 / n, "the squared error"
    yield 1 / n, "half of the squared error"
    yield 2.0, "the sum of the squared error over the batch"
    yield 1.0, "half of the sum of the squared error over the batch"


def _stabilised(right: State, got: Got) -> Iterator[State]:
    """-log(p + ε), as it is written to keep the logarithm finite: a factor p / (p + ε) ≈ 1 - ε/p a sample."""
    run = right.run
    bias = run.names(right.k)[1]
    if not run.fused or bias not in got.tensors or bias not in got.wrong:
        return
    own = run.y[np.arange(run.n), run.labels][:, None]
    epsilon = fit_line(right.bias_gradient, -(right.delta / own).sum(axis=0), got.tensors[bias])
    for _ in range(20):  # by Gauss and Newton: the factor is not linear
        if epsilon is None or not 0 < epsilon < 0.1:
            return
        factor = own / (own + epsilon)
        slope = -(right.delta * factor / (own + epsilon)).sum(axis=0)
        step = fit_line((right.delta * factor).sum(axis=0), slope, got.tensors[bias])
        if step is None or abs(step) <= 1e-14 * epsilon:
            break
        epsilon += step
    text = f"the gradient of -log(p + ε) with ε = {epsilon:.3g}"
    mistake = Mistake(_KIND, text, layer=right.k, fitted=True)
    yield right.but(mistake, delta=right.delta * own / (own + epsilon))

"""Output: a wrong δ of the last layer, from the softmax, from another loss, or from other labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from backprop.arrays import Array
from backprop.check.network.mistakes.activation import fit_line, other_slopes
from backprop.check.network.mistakes.state import Got, Mistake, Run, State
from backprop.check.words import some
from backprop.layers import Elementwise, Softmax
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


def wrong_output(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer with something else for the output's Jacobian."""
    run = right.run
    output = run.activations[-1]
    if isinstance(output, Softmax):
        for kind, delta, text in _softmax(run, right.delta):
            yield right.wrong(kind, text, delta)
        if run.fused:
            yield from _axes(right)
    elif isinstance(output, Elementwise):
        dy = run.network.loss_function.gradient(run.y, run.labels)
        for kind, slope, text in other_slopes(run, right.k, output):
            yield right.wrong(kind, f"a backward pass in which {text}", dy * slope)


def _softmax(run: Run, delta: Array) -> Iterator[tuple[str, Array, str]]:
    p, t, n = run.y, run.targets, run.n
    if run.fused:
        with np.errstate(divide="ignore", invalid="ignore"):
            dp = np.where(t > 0, -t / p, 0.0) / n
    else:
        dp = run.network.loss_function.gradient(p, run.labels)
    yield _DIAGONAL, dp * p * (1 - p), "a backward pass with p (1 - p) for the softmax Jacobian"
    yield _DIAGONAL, dp * p, "a backward pass with p on the diagonal for the softmax Jacobian"
    yield _TERM, dp, "a backward pass without the softmax Jacobian"
    twice = p * (delta - np.sum(p * delta, axis=1, keepdims=True))
    yield _TWICE, twice, "a backward pass with the softmax Jacobian applied once more, on top of p - t"
    yield _TWICE, delta * p * (1 - p), "a backward pass with p - t multiplied by p (1 - p)"
    yield _TWICE, delta * p, "a backward pass with p - t multiplied by p"


def _axes(right: State) -> Iterator[State]:
    """Probabilities that are normalised over something else than the classes."""
    run = right.run
    z = run.z[-1]
    for largest in (z.max(), z.max(axis=1, keepdims=True)):
        e = np.exp(z - largest)
        for total, axis in (e.sum(axis=0), "over the batch"), (e.sum(), "over batch and classes at once"):
            q, text = e / total, f"a gradient with the softmax taken {axis}"
            mistake = Mistake(_AXIS, text, layer=right.k)
            yield State(replace(run, y=q), right.k, (q - run.targets) / run.n, (mistake,))


# The gradient of another loss, or of a part of it: δ of the last layer as that loss has it.

_KIND = "other-loss"
_LARGEST_EPSILON = 0.1
"""An ε in the logarithm is tiny beside probabilities, which are at most 1."""
_ROUNDING = 1e-12
"""Relative: what the rounding of float64 leaves of a difference of two ways to write the same."""
_NEWTON, _CONVERGED = 20, 1e-14
"""Steps of Newton's method at most; it doubles the digits of ε with each, up to those of float64."""


def other_losses(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer under other losses."""
    run = right.run
    for delta, text in (*_from_logits(run), *_from_outputs(run)):
        yield right.wrong(_KIND, f"the gradient of {text}", delta)
    yield from _stabilised(right, got)


def _from_logits(run: Run) -> Iterator[tuple[Array, str]]:
    z, t, n = run.z[-1], run.targets, run.n
    c = z.shape[1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    q = 1 / (1 + np.exp(-z))
    if not (run.fused and isinstance(run.activations[-1], Softmax)):
        yield (p - t) / n, "the cross-entropy of the softmax"
        yield (p - t) / (n * c), "the cross-entropy of the softmax, averaged over the classes, too"
    yield p / n, "log Σ exp z: the labels are not subtracted"
    yield -t / n, "-z at the label: the softmax is not in it"
    yield (q - t) / n, "the binary cross-entropy of a sigmoid for every class"
    yield (q - t) / (n * c), "the binary cross-entropy of a sigmoid, averaged over the classes"
    dq = (q - t) * q * (1 - q)
    for factor, words in squared_errors(n, c):
        yield factor * dq, f"{words} of a sigmoid's outputs"
    gaps = np.where(t > 0, 0.0, z - np.sum(z * t, axis=1, keepdims=True) + 1)
    hinge = np.where((t == 0) & (gaps > 0), 1.0, 0.0)
    yield (hinge - t * hinge.sum(axis=1, keepdims=True)) / n, "the multi-class hinge loss"


def _from_outputs(run: Run) -> Iterator[tuple[Array, str]]:
    y, t, n = run.y, run.targets, run.n
    c = y.shape[1]
    losses = [(factor * (y - t), words) for factor, words in squared_errors(n, c)]
    if run.network.loss_function.name == "mean-squared-error":
        losses += [(2 * y / (n * c), "the mean square of the outputs: the labels are not subtracted")]
    losses += [(np.sign(y - t) / n, "the absolute error, summed over the classes")]
    losses += [(np.sign(y - t) / (n * c), "the mean absolute error")]
    for dy, words in losses:
        delta = run.through(run.depth - 1, dy)
        if not _is_multiple(delta, run.output_delta()):
            yield delta, words
    if isinstance(run.activations[-1], Softmax):
        for factor, words in squared_errors(n, c):
            yield factor * (run.z[-1] - t), f"{words} of the logits"


def _is_multiple(delta: Array, right: Array) -> bool:
    """Whether δ is k times another one: in multiples of itself a loss is no other one."""
    k = fit_line(np.zeros_like(right), right, delta)
    return k is not None and norm(delta - k * right) <= _ROUNDING * norm(delta)


def squared_errors(n: int, c: int) -> Iterator[tuple[float, str]]:
    """The ways to write the squared error: k of the gradient k (y - t), where the loss is k/2 Σ (y - t)²."""
    yield 2 / (n * c), "the mean squared error"
    yield 1 / (n * c), "half of the mean squared error"
    yield 2 / n, "the squared error"
    yield 1 / n, "half of the squared error"
    yield 2.0, "the sum of the squared error over the batch"
    yield 1.0, "half of the sum of the squared error over the batch"


def _stabilised(right: State, got: Got) -> Iterator[State]:
    """An ε that keeps a logarithm or a quotient finite.

    -log(p + ε) gives δ the factor p / (p + ε) of the sample's own class. exp z / (S + ε) with S = Σ exp z, with the
    largest logit subtracted or not, gives p the factor S / (S + ε).
    """
    run, x = right.run, right.run.x[-1]
    weights, bias = run.names(right.k)
    if not (run.fused and isinstance(run.activations[-1], Softmax)):
        return
    own = run.y[np.arange(run.n), run.labels][:, None]

    def of_logarithm(epsilon: float) -> tuple[Array, Array]:
        delta = right.delta * own / (own + epsilon)
        return delta, -delta / (own + epsilon)

    if bias in got.wrong and bias in got.tensors:
        ones = np.ones((run.n, 1))
        yield from _with_epsilon(right, of_logarithm, ones, got.tensors[bias][None], "of -log(p + ε)", "")
    if weights not in got.wrong or weights not in got.tensors:
        return
    largest = run.z[-1].max(axis=1, keepdims=True)
    shifted = np.exp(run.z[-1] - largest).sum(axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        sums = {", the largest z subtracted": shifted, "": shifted * np.exp(largest)}
    for words, total in sums.items():

        def of_softmax(epsilon: float, total: Array = total) -> tuple[Array, Array]:
            p = run.y * total / (total + epsilon)
            return (p - run.targets) / run.n, -p / (total + epsilon) / run.n

        text = "with exp z / (Σ exp z + ε) for the softmax"
        yield from _with_epsilon(right, of_softmax, x, got.tensors[weights], text, words)


def _with_epsilon(
    right: State,
    delta_of: Callable[[float], tuple[Array, Array]],
    x: Array,
    got: Array,
    text: str,
    words: str,
) -> Iterator[State]:
    """δ with the ε for which xᵀ δ is nearest to what was got, by Gauss and Newton. delta_of: ε to δ and ∂δ/∂ε."""
    epsilon = 0.0
    with np.errstate(all="ignore"):  # a probability may be 0
        for _ in range(_NEWTON):
            delta, slope = delta_of(epsilon)
            step = fit_line(x.T @ delta, x.T @ slope, got)
            if step is None or abs(step) <= _CONVERGED * epsilon:
                break
            epsilon = max(epsilon + step, 0.0)
    if 0 < epsilon < _LARGEST_EPSILON:
        text = f"the gradient {text}, ε = {epsilon:.3g}{words}"
        yield right.wrong(_KIND, text, delta_of(epsilon)[0], fitted=True)


# Labels: those of other samples, counted from another class, or in another order of the classes.
#
# For a δ that is affine in the one-hot labels, δ = A + B t, the labels that were used can be read off: with fewer
# samples than inputs of the last layer, xᵀ δ = dW has one solution δ.

_SHIFTED, _PERMUTED = "labels-shifted", "classes-permuted"
_ONE_HOT = 0.1
"""Solved labels are read where they are so near to 0 and 1."""


def other_labels(right: State, got: Got) -> Iterator[State]:
    """δ of the last layer with other labels."""
    run = right.run
    seen = {run.labels.tobytes()}
    for kind, labels, text in (*_enumerated(run), *_read_off(run, got), *_matched(run, got)):
        if labels.tobytes() in seen:
            continue
        seen.add(labels.tobytes())
        other = run.rerun(labels=labels)
        # Where no class comes twice, any other labels are the classes in another order as well.
        twice = np.unique(run.labels).size < run.n
        also = () if twice or kind != _PERMUTED else (_SHIFTED,)
        mistake = Mistake(kind, f"the gradient with {text}", layer=right.k, also=also)
        yield State(other, right.k, other.output_delta(), (mistake,))


def _enumerated(run: Run) -> Iterator[tuple[str, Array, str]]:
    y, c = run.labels, run.network.label_classes
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
    if run.y.shape[1] == 1:
        return None  # there is no other class
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
    if np.max(np.abs(t - np.eye(t.shape[1])[labels])) < _ONE_HOT:
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
        return _PERMUTED, labels, f"the classes in another order: {some(moved)}"
    changed = np.flatnonzero(labels != run.labels)
    seen = some((f"{labels[k]} instead of {run.labels[k]} for sample {k}" for k in changed), 3)
    return _SHIFTED, labels, f"other labels: {seen}"

"""The loss that is returned with a gradient: whether it is the network's, and if not, which number it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.network.mistakes.batch import known_factors
from backprop.check.network.mistakes.output import squared_errors
from backprop.check.network.rounding import UNDERFLOWS
from backprop.check.network.truth import Truth, penalty
from backprop.errors import CheckError
from backprop.losses import SoftmaxCrossEntropy

_STABILISED = 1e-6
"""-log(p + ε) with the usual ε moves a loss by less than this; that is worth a note and no alarm."""
_NARROW = 4
"""Roundings of float32 that a loss of that dtype may be off."""
_DECAY_ROUNDING = 1e-13
"""Of the decay: some hundred roundings of float64, in which a gradient's author sums the squares."""


def check_loss(
    loss: Any, truth: Truth, diagnosed: tuple[str, float] | None = None
) -> tuple[Finding | None, str | None]:
    """A finding where the loss is wrong, and a note where it is off by as little as an ε in a logarithm.

    diagnosed: the kind of a mistake that was found in the forward pass, and the loss to which it would lead.
    """
    array = np.asarray(loss)
    if array.dtype.kind not in "iufb":
        raise CheckError(
            f"The loss is {array.dtype if array.dtype.kind != 'O' else loss!r}; expected a real number."
        )
    got = float(array)
    if not np.isfinite(got):
        return found("not-finite", None, f"The returned loss is {got}."), None
    network, wide = truth.network, truth.params.astype(np.longdouble)
    inputs, labels = truth.batch.inputs.astype(np.longdouble), truth.batch.labels
    data = float(network.loss(wide, inputs, labels))
    decay = float(penalty(network, wide, truth.weight_decay))
    expected = data + decay
    slack = truth.rounding.loss + _DECAY_ROUNDING * decay + UNDERFLOWS * float(np.finfo(np.float64).tiny)
    slack += truth.rtol * abs(expected)
    if array.dtype == np.float32:
        slack = max(slack, _NARROW * float(np.finfo(np.float32).eps) * abs(expected))
    off = abs(got - expected)
    if off <= slack:
        return None, None
    if off <= _STABILISED * max(1.0, abs(expected)):
        return None, f"The returned loss is off by {off:.1e}, as with an ε inside the logarithm."

    def is_about(value: float) -> bool:
        return abs(got - value) <= slack * max(1.0, abs(value / expected) if expected else 1.0)

    numbers = f"{got:.6g}; expected {expected:.6g}."
    if diagnosed is not None and is_about(diagnosed[1]):
        return found(diagnosed[0], None, f"The returned loss follows: {numbers}"), None
    y = network.forward(wide, inputs).astype(np.float64)
    for kind, value, text in _others(truth, y, data, decay):
        if is_about(value):
            return found(kind, None, f"The returned loss is {text}: {numbers}"), None
    return found("unknown", None, f"The returned loss is {numbers}", "possible"), None


def _others(truth: Truth, y: Array, data: float, decay: float) -> Iterator[tuple[str, float, str]]:
    """Numbers that are taken for the loss by mistake: the kind, the number, and what it is."""
    n, c = y.shape
    labels = truth.batch.labels
    expected = data + decay
    for factor, kind, text in known_factors(n, c):
        yield kind, factor * expected, text
        yield kind, factor * data + decay, f"{text}, but for its weight decay"
    yield "sign", -expected, "of the opposite sign"
    if truth.weight_decay:
        yield "weight-decay-missing", data, "that without its weight decay"
        yield "weight-decay-extra", data + 2 * decay, "that with twice its weight decay"
    target = truth.network.loss_function.targets(labels, y)
    square = float(np.sum(np.square(y - target)))
    for factor, words in squared_errors(n, c):
        yield "other-loss", factor / 2 * square, words
    if truth.network.loss_function.name != "cross-entropy" and c > 1:
        entropy = float(SoftmaxCrossEntropy().value(y, labels))
        yield "other-loss", entropy, "the cross-entropy of the softmax"
        yield "other-loss", n * entropy, "the summed cross-entropy of the softmax"

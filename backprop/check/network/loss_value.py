"""The loss that is returned with a gradient: whether it is the network's, and if not, which number it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop.arrays import Array
from backprop.check.kinds import Finding, found
from backprop.check.network.truth import decayed
from backprop.errors import CheckError
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_STABILISED = 1e-6
"""-log(p + ε) with the usual ε moves a loss by less than this; that is worth a note and no alarm."""


def check_loss(
    loss: Any,
    network: Network,
    params: Parameters,
    batch: Batch,
    slack: float,
    weight_decay: float = 0.0,
    diagnosed: tuple[str, float] | None = None,
    rtol: float = 0.0,
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
    wide = params.astype(np.longdouble)
    inputs = batch.inputs.astype(np.longdouble)
    data = float(network.loss(wide, inputs, batch.labels))
    decay = 0.5 * weight_decay * sum(float(np.sum(np.square(wide[k]))) for k in decayed(network))
    expected, slack = data + decay, slack + 1e-13 * decay + 64 * float(np.finfo(np.float64).tiny)
    slack += rtol * abs(expected)
    if np.asarray(loss).dtype == np.float32:
        slack = max(slack, 4 * float(np.finfo(np.float32).eps) * abs(expected))
    if abs(got - expected) <= slack:
        return None, None
    if abs(got - expected) <= _STABILISED * max(1.0, abs(expected)):
        return (
            None,
            f"The returned loss is off by {abs(got - expected):.1e}, as with an ε inside the logarithm.",
        )
    if diagnosed is not None and abs(got - diagnosed[1]) <= slack * max(1.0, abs(diagnosed[1] / expected)):
        return found(
            diagnosed[0], None, f"The returned loss follows: {got:.6g}; expected {expected:.6g}."
        ), None
    y = network.forward(wide, inputs).astype(np.float64)
    for kind, value, text in _others(network, y, batch, data, decay, weight_decay):
        if abs(got - value) <= slack * max(1.0, abs(value / expected) if expected else 1.0):
            return found(
                kind, None, f"The returned loss is {text}: {got:.6g}; expected {expected:.6g}."
            ), None
    return found(
        "unknown", None, f"The returned loss is {got:.6g}; expected {expected:.6g}.", "possible"
    ), None


def _others(
    network: Network, y: Array, batch: Batch, data: float, decay: float, weight_decay: float
) -> Iterator[tuple[str, float, str]]:
    n, c = y.shape
    expected = data + decay
    if n > 1:
        yield "sum-instead-of-mean", n * data + decay, f"the sum over the batch, n = {n}"
        yield "mean-instead-of-sum", data / n + decay, f"divided by n = {n} once more"
    yield "sign", -expected, "of the opposite sign"
    if weight_decay:
        yield "weight-decay-missing", data, "that without its weight decay"
        yield "weight-decay-extra", data + 2 * decay, "that with twice its weight decay"
    for factor, text in (
        (2.0, "twice"),
        (0.5, "half of"),
        (c, f"c = {c} times"),
        (1 / c, f"1/c of, c = {c},"),
    ):
        yield "constant-factor", factor * expected, f"{text} what it should be"
    if n > 1:
        yield "sum-instead-of-mean", n * c * data, f"the sum over batch and classes, n c = {n * c}"
        yield (
            "sum-instead-of-mean",
            n * c * data / 2,
            f"half of the sum over batch and classes, n c = {n * c}",
        )
    target = np.zeros_like(y)
    target[np.arange(n), batch.labels] = 1
    square = float(np.sum(np.square(y - target)))
    for size, words in (
        (n * c, "the mean squared error"),
        (n, "the squared error"),
        (1, "the sum of squares"),
    ):
        for factor, half in ((1.0, ""), (0.5, "half of ")):
            yield "other-loss", factor * square / size, half + words
    if network.loss_function.name != "cross-entropy":
        shifted = y - y.max(axis=1, keepdims=True)
        entropy = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(n), batch.labels]
        yield "other-loss", float(np.mean(entropy)), "the cross-entropy of the softmax"
        yield "other-loss", float(np.sum(entropy)), "the summed cross-entropy of the softmax"

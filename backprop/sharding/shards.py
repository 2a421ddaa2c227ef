"""The shards of a batch: their sizes, the gradient of one of them as a worker computes it, and the mean of all.

shard k holds the samples from ⌊n Sₖ₋₁/S⌋ to ⌊n Sₖ/S⌋        Sₖ = s₁ + … + sₖ, S the sum of all shares

The parts are added in the order of the shards, not in the order in which they come, so the same split gives the same
bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backprop.arrays import Array
from backprop.errors import BackpropError, OptionError
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Strategy, ValueAndGradient


class ShardError(BackpropError, RuntimeError):
    """A shard that did not come back, or is not what was asked for."""


class Part(NamedTuple):
    """The result of one shard: its number of samples, the mean loss over them, and its gradient (p,)."""

    samples: int
    loss: float
    vector: Array


def sizes_of(batch_size: int, shares: Sequence[int]) -> list[int]:
    """The samples of every shard, in order; some may be empty. Shares that sum to n are the sizes themselves."""
    total = sum(shares)
    cuts = [batch_size * cumulated // total for cumulated in itertools.accumulate(shares)]
    return [end - start for start, end in itertools.pairwise([0, *cuts])]


def check_shares(shares: Sequence[int] | None) -> None:
    """Raise `OptionError` unless the shares are whole numbers from zero on, one of them above it, or None."""
    if shares is None:
        return
    whole = all(isinstance(share, int) and not isinstance(share, bool) and share >= 0 for share in shares)
    if not whole or sum(shares) == 0:
        raise OptionError(
            f"The shares are {shares!r}; expected whole numbers, none below zero and one above it."
        )


def shard_gradient(
    inner: Strategy[Any], network: Network, vector: Array, inputs: Array, labels: Array
) -> Part:
    """The mean loss and gradient of a shard with at least one sample, at the parameters `vector` (p,).

    The inner strategy is prepared for every call: a plan that stayed on a worker would be lost with the worker, and
    two calls at once would write into the same buffers.
    """
    params = Parameters(network.layout, vector)
    plan = inner.prepare(network, len(inputs), vector.dtype)
    loss, gradient = inner.value_and_gradient(plan, params, Batch(inputs, labels))
    return Part(len(inputs), float(loss), gradient.vector)


def combine(parts: Sequence[Part], sizes: Sequence[int], gradient: Parameters) -> ValueAndGradient:
    """The loss and its gradient, written into `gradient`; `sizes` are the samples that each part must hold.

    Raises `ShardError` rather than adding up a part that is missing, of other samples or of another form.
    """
    if [part.samples for part in parts] != list(sizes):
        raise ShardError(
            f"The shards that came back hold {[part.samples for part in parts]} samples; expected {list(sizes)}."
        )
    total, loss = sum(sizes), 0.0
    gradient.vector.fill(0)
    for part in parts:
        if part.vector.shape != gradient.vector.shape or part.vector.dtype != gradient.dtype:
            raise ShardError(
                f"A shard's gradient is {part.vector.dtype} {part.vector.shape}; "
                f"expected {gradient.dtype} {gradient.vector.shape}."
            )
        weight = part.samples / total
        loss += weight * part.loss
        gradient.vector += np.multiply(part.vector, gradient.dtype.type(weight))
    return ValueAndGradient(loss, gradient)

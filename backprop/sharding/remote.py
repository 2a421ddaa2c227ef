"""One shard's gradient, as a worker computes it.

The inner strategy is prepared for every call: a plan that stayed on a worker would be lost with it, and two calls
at once would write into the same buffers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from backprop.arrays import Array
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Strategy


class Part(NamedTuple):
    """A shard's share of the whole: its number of samples, the mean loss over them, and its gradient (p,)."""

    samples: int
    loss: float
    vector: Array


def shard_gradient(
    inner: Strategy[Any], network: Network, vector: Array, inputs: Array, labels: Array
) -> Part:
    """The mean loss and gradient of a shard with at least one sample, at the parameters `vector` (p,)."""
    params = Parameters(network.layout, vector)
    plan = inner.prepare(network, len(inputs), vector.dtype)
    loss, gradient = inner.value_and_gradient(plan, params, Batch(inputs, labels))
    return Part(len(inputs), float(loss), gradient.vector)

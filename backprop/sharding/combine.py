"""The mean put together: every part weighted by its share of the samples, in the order of the shards.

Not in the order in which they come: the same split gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop.errors import BackpropError
from backprop.parameters import Parameters
from backprop.sharding.remote import Part
from backprop.strategy import ValueAndGradient


class ShardError(BackpropError, RuntimeError):
    """A shard that did not come back, or is not what was asked for."""


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

"""The one call that most users need: the loss and its gradient, by the derivation of their choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from backprop.network import Network
from backprop.overflow import check_finite
from backprop.parameters import Parameters
from backprop.registry import find_strategy
from backprop.strategy import Strategy, ValueAndGradient


def gradient(
    network: Network,
    params: Parameters | Mapping[str, ArrayLike],
    inputs: ArrayLike,
    labels: ArrayLike,
    strategy: str | Strategy[Any] = "short-form",
) -> ValueAndGradient:
    """The loss and its gradient by all parameters, derived by `strategy`.

    `params` are `Parameters`, or arrays of one dtype by name; `inputs` (n, i) are of their dtype, `labels` (n,) class
    numbers. The gradient has memory of its own. For many calls, `strategy.prepare` once and
    `strategy.value_and_gradient` each time.

    Raises `UnknownNameError` for a strategy that is not installed, `UnsupportedError` where it cannot do
    this network, `OverflowedError` where its loss or gradient is not finite, with the layer and what to use
    instead, and the errors of `Network.batch`, `Network.check_parameters` and `Parameters.from_mapping` for arguments
    that do not fit.
    """
    chosen = strategy if isinstance(strategy, Strategy) else find_strategy(str(strategy))
    own: Parameters = Parameters.of(network.layout, params)
    network.check_parameters(own)
    batch = network.batch(inputs, labels, own.dtype)
    chosen.check_supported(network, own.dtype)
    plan = chosen.prepare(network, len(batch.inputs), own.dtype)
    with np.errstate(all="ignore"):  # what overflows is found below, and in words
        loss, gradient = chosen.value_and_gradient(plan, own, batch)
    check_finite(chosen.name, network, own, batch, ValueAndGradient(loss, gradient))
    return ValueAndGradient(loss, gradient if gradient.vector.flags.writeable else gradient.copy())

"""Derivations of the same gradient, side by side: one network, one loss, many ways to dL/dθ.

    network = backprop.Network.mlp(784, 512, 10)
    params = network.init(np.random.default_rng(0), dtype=np.float32)
    loss, gradient = backprop.gradient(network, params, inputs, labels, strategy="short-form")

Letters in shapes and einsum strings follow `backprop.LEGEND`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from backprop.errors import BackpropError, UnsupportedError
from backprop.legend import LEGEND
from backprop.network import Batch, Network
from backprop.overflow import check_finite
from backprop.parameters import Layout, Parameters
from backprop.registry import find_strategy, installed_strategies
from backprop.strategy import Accuracy, Cost, Strategy, ValueAndGradient

if TYPE_CHECKING:
    from backprop.check.gradient import check_gradient

__version__ = "0.1.0"

__all__ = [
    "LEGEND",
    "Accuracy",
    "BackpropError",
    "Batch",
    "Cost",
    "Layout",
    "Network",
    "Parameters",
    "Strategy",
    "ValueAndGradient",
    "check_gradient",
    "find_strategy",
    "gradient",
    "installed_strategies",
]


def gradient(
    network: Network,
    params: Parameters,
    inputs: ArrayLike,
    labels: ArrayLike,
    strategy: str | Strategy[Any] = "short-form",
) -> ValueAndGradient:
    """The loss and its gradient by all parameters, derived by `strategy`.

    `inputs` (n, i) are of the parameters' dtype, `labels` (n,) class numbers. The gradient has memory of
    its own. For many calls, `strategy.prepare` once and `strategy.value_and_gradient` each time.

    Raises `UnknownNameError` for a strategy that is not installed, `UnsupportedError` where it cannot do
    this network, `OverflowedError` where its loss or gradient is not finite, with the layer and what to use
    instead, and the errors of `Network.batch` and `Network.check_parameters` for arguments that do not fit.
    """
    chosen = find_strategy(strategy) if isinstance(strategy, str) else strategy
    network.check_parameters(params)
    batch = network.batch(inputs, labels, params.dtype)
    reason = chosen.unsupported(network, params.dtype)
    if reason is not None:
        raise UnsupportedError(f"The strategy {chosen.name} cannot do {network} in {params.dtype}: {reason}.")
    plan = chosen.prepare(network, len(batch.inputs), params.dtype)
    with np.errstate(all="ignore"):  # what overflows is found below, and in words
        loss, gradient = chosen.value_and_gradient(plan, params, batch)
    check_finite(chosen.name, network, params, batch, ValueAndGradient(loss, gradient))
    return ValueAndGradient(loss, gradient if gradient.vector.flags.writeable else gradient.copy())


def __getattr__(name: str) -> Any:
    """`check_gradient`, loaded when it is asked for: most programs need only a gradient."""
    if name == "check_gradient":
        from backprop.check.gradient import check_gradient

        return check_gradient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Numbers that overflow: in which layer, and which derivation keeps them finite.

    softmax     p[n, label] underflows to 0, or so far that 1/p overflows:  log p or 1/p is infinite, p · 1/p is NaN
    any layer   its output or its VJP overflows

This runs only after a call has returned a loss or a gradient that is not finite, so it may be slow.
"""

from __future__ import annotations

import math

import numpy as np

from backprop.errors import OverflowedError
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.registry import find_strategy
from backprop.strategy import ValueAndGradient

_CLOSED_FORM = "short-form"


def check_finite(
    name: str, network: Network, params: Parameters, batch: Batch, result: ValueAndGradient
) -> None:
    """Raise `OverflowedError` where the loss or the gradient that the strategy `name` returned is not finite."""
    finite = np.isfinite(result.gradient.vector)
    if math.isfinite(result.loss) and finite.all():
        return
    if finite.all():
        got = f"a loss of {result.loss}"
    else:
        place = int(np.argmin(finite))
        tensor, index = network.layout.locate(place)
        entry = f"{result.gradient.vector[place]} for {tensor}{list(index)}"
        got = f"a loss of {result.loss:.6g} and a gradient of {entry}"
    with np.errstate(all="ignore"):
        where, instead = _first_lost(network, params, batch), _instead(name, network, params, batch)
    raise OverflowedError(
        f"The strategy {name} gives {got} in {params.dtype.name}{where}; expected finite numbers, {instead}."
    )


def _first_lost(network: Network, params: Parameters, batch: Batch) -> str:
    """The first step at which a number was lost, in words that follow "in float32"; "" where no layer lost any."""
    steps = network.evaluate(network.local(params), batch.inputs)
    for k, (layer, _, _, y) in enumerate(steps):
        if not np.isfinite(y).all():
            n, o = (int(i) for i in np.argwhere(~np.isfinite(y))[0])
            return f": output {o} of {_layer(k, layer.name)} is {y[n, o]} for sample {n}"
    loss, y = network.loss_function, steps[-1].y
    last = len(network.layers) - 1
    if loss.needs_output == "softmax":
        chosen = y[np.arange(len(y)), batch.labels]
        lost = ~np.isfinite(1 / chosen)
        if lost.any():
            n = int(np.argmax(lost))
            return (
                f": {_layer(last, network.layers[last].name)} gives the label of sample {n} the probability "
                f"{chosen[n]:.3g}, by which the loss {loss.name} divides"
            )
    if not np.isfinite(loss.value(y, batch.labels)):
        return f": the loss {loss.name} overflows"
    dy = loss.gradient(y, batch.labels)
    for k, (layer, own, x, y) in reversed(list(enumerate(steps))):
        dx, dparams = layer.vjp(own, x, y, dy)
        if dx is None or not all(np.isfinite(array).all() for array in (dx, *dparams.values())):
            return f": the vector-Jacobian product of {_layer(k, layer.name)} overflows"
        dy = dx
    return ""


def _layer(k: int, name: str) -> str:
    return f"layer {k + 1}, {name},"


def _instead(name: str, network: Network, params: Parameters, batch: Batch) -> str:
    """What gives finite numbers here: each is tried before it is recommended."""
    value = loss_of_closed_form(network, params, batch)
    if value is not None and not name.startswith(_CLOSED_FORM):
        return f"which the strategy {_CLOSED_FORM} gives here, with a loss of {value:.6g}"
    if params.dtype == np.float32:
        wide = Batch(batch.inputs.astype(np.float64), batch.labels)
        if loss_of_closed_form(network, params.astype(np.float64), wide) is not None:
            return f"which parameters and inputs of float64 give with the strategy {_CLOSED_FORM}"
    return "which smaller parameters or inputs give"


def loss_of_closed_form(network: Network, params: Parameters, batch: Batch) -> float | None:
    """The loss by `short-form`; None where it or the gradient is not finite, or the layers do not allow it."""
    strategy = find_strategy(_CLOSED_FORM)
    if strategy.unsupported(network, params.dtype) is not None:
        return None
    loss, gradient = strategy.value_and_gradient(
        strategy.prepare(network, len(batch.inputs), params.dtype), params, batch
    )
    return loss if math.isfinite(loss) and bool(np.isfinite(gradient.vector).all()) else None

"""The reference gradient g*: the closed form in np.longdouble, 64 bits of mantissa where there are that many.

The parameters and inputs are those of the strategy, widened: a float32 strategy is compared with the exact
gradient at its own float32 parameters, not with that of other numbers.
"""

from __future__ import annotations

import numpy as np

from backprop.network import Batch, Network
from backprop.parameters import Parameters

_EXTRA_BITS = np.finfo(np.longdouble).nmant - np.finfo(np.float64).nmant

REFERENCE = (
    f"closed form in longdouble, {np.finfo(np.longdouble).nmant + 1} bits of mantissa"
    if _EXTRA_BITS > 0
    else "closed form in float64: longdouble is no wider here, so errors below 1e-15 mean nothing"
)
"""What errors are measured against on this machine, in words, for the records."""


def reference_gradient(network: Network, params: Parameters, batch: Batch) -> Parameters:
    """dL/dθ in longdouble, in memory of its own."""
    network, wide = network.short, params.astype(np.longdouble)
    tensors = network.local(wide)
    values = network.activations(wide, batch.inputs.astype(np.longdouble))
    gradient = Parameters.empty(network.layout, np.longdouble)
    local_gradient = network.local(gradient)

    delta = network.loss_function.gradient(values[-1], batch.labels)
    for k in reversed(range(len(network.layers))):
        dx, _ = network.layers[k].vjp(
            tensors[k],
            values[k],
            values[k + 1],
            delta,
            input_needed=k > 0,
            dparams=local_gradient[k],
        )
        if dx is not None:
            delta = dx
    return gradient

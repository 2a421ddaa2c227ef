"""The reference gradient g*: the closed form in np.longdouble, 64 bits of mantissa where there are that many.

The parameters and inputs are those of the strategy, widened: a float32 strategy is compared with the exact
gradient at its own float32 parameters, not with that of other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from backprop.arrays import Array
from backprop.layers import Elementwise
from backprop.network import Batch, Network
from backprop.parameters import Parameters

_EXTRA_BITS = np.finfo(np.longdouble).nmant - np.finfo(np.float64).nmant

REFERENCE = (
    f"closed form in longdouble, {np.finfo(np.longdouble).nmant + 1} bits of mantissa"
    if _EXTRA_BITS > 0
    else "closed form in float64: longdouble is no wider here, so errors below 1e-15 mean nothing"
)
"""What errors are measured against on this machine, in words, for the records."""


def reference_gradient(
    network: Network,
    params: Parameters,
    batch: Batch,
    slopes: Mapping[int, Array] | None = None,
    dtype: DTypeLike = np.longdouble,
) -> Parameters:
    """dL/dθ in longdouble, or another dtype, in memory of its own.

    slopes: by the number of an element-wise layer, the slope that is used for f'(x) (n, o); NaN means f'(x) itself.
    """
    network, wide, slopes = network.short, params.astype(dtype), slopes or {}
    tensors = network.local(wide)
    values = network.activations(wide, batch.inputs.astype(dtype))
    gradient = Parameters.empty(network.layout, dtype)
    out = network.local(gradient)
    delta = network.loss_function.gradient(values[-1], batch.labels)
    for k in reversed(range(len(network.layers))):
        layer, x, y = network.layers[k], values[k], values[k + 1]
        if k in slopes and isinstance(layer, Elementwise):
            slope = np.where(np.isnan(slopes[k]), layer.derivative(x, y), slopes[k])
            delta = delta * slope.astype(delta.dtype)
            continue
        dx, _ = layer.vjp(tensors[k], x, y, delta, input_needed=k > 0, dparams=out[k])
        delta = delta if dx is None else dx
    return gradient

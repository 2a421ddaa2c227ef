"""Baselines: work that every gradient of a scenario must at least do, timed beside the strategies.

loss       one evaluation of the loss; gradient ÷ loss is what reverse mode bounds by a small constant
products   the bare matrix products of the closed form: same sizes, same BLAS, reused buffers
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop import Batch, Network, Parameters
from backprop.arrays import aligned_empty
from backprop.layers import Linear

Call = Callable[[], object]

SHORT_FORM = "short-form"
"""The strategy that all others are compared with; it takes turns in every group, with a row of its own or without."""
TWIN = "A/A twin of the short form"
LOSS = "baseline: loss"
PRODUCTS = "baseline: matrix products"


def loss_call(network: Network, params: Parameters, batch: Batch) -> Call:
    """One evaluation of the loss."""
    return lambda: network.loss(params, batch.inputs, batch.labels)


def products_call(network: Network, params: Parameters, batch: Batch) -> Call:
    """The products X W, Xᵀ dY and, except for the first layer, dY Wᵀ of every linear layer, by np.matmul."""
    n, dtype = len(batch.inputs), params.dtype
    products: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    x = batch.inputs
    for layer, own in zip(network.layers, network.local(params), strict=True):
        if not isinstance(layer, Linear):
            continue
        y, dy = aligned_empty((n, layer.outputs), dtype), aligned_empty((n, layer.outputs), dtype)
        dy[...] = np.random.default_rng(0).random(dy.shape)
        y[...] = dy
        products.append((x, own["W"], y))
        products.append((x.T, dy, aligned_empty(own["W"].shape, dtype)))
        if products[0][0] is not x:
            products.append((dy, own["W"].T, aligned_empty(x.shape, dtype)))
        x = y

    def call() -> None:
        for left, right, out in products:
            np.matmul(left, right, out=out)

    return call

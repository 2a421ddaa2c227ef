"""Baselines: work that every gradient of a scenario must at least do, timed beside the strategies.

loss       one evaluation of the loss; gradient ÷ loss is what reverse mode bounds by a small constant
products   the bare matrix products of the closed form: same sizes, same BLAS, reused buffers

They take turns like any strategy, so that ratios to them are formed turn by turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from backprop import Accuracy, Batch, Cost, Network, Parameters, Strategy, ValueAndGradient, find_strategy
from backprop.arrays import DType, aligned_empty
from backprop.bench.clock import Call
from backprop.layers import Linear
from backprop.strategy import EXACT

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


_BASELINES: dict[str, Callable[[Network, Parameters, Batch], Call]] = {
    LOSS: loss_call,
    PRODUCTS: products_call,
}


def find_target(name: str) -> Strategy[Any]:
    """The baseline or the strategy of that name; raises as `find_strategy` does."""
    return Baseline(name) if name in _BASELINES else find_strategy(name)


@dataclass
class _Plan:
    network: Network
    call: Call | None = None
    gradient: Parameters | None = None


@final
@dataclass(frozen=True, repr=False)
class Baseline(Strategy[_Plan]):
    """Work without a gradient: what it returns is never compared with anything."""

    baseline: str

    summary: ClassVar[str] = "work that every gradient must at least do"

    @property
    def name(self) -> str:
        """The baseline's name."""
        return self.baseline

    @property
    def accuracy(self) -> Accuracy:
        """Exact by declaration: nothing is compared with a baseline."""
        return EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network can be done."""
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Not known; nobody asks for the cost of a baseline."""
        raise NotImplementedError

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> _Plan:
        """The buffers are made at the first call, which is not timed."""
        return _Plan(network)

    def value_and_gradient(self, plan: _Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """Do the work; the parameters stand in for a gradient."""
        if plan.call is None:
            plan.call = _BASELINES[self.baseline](plan.network, params, batch)
        plan.call()
        return ValueAndGradient(0.0, params)

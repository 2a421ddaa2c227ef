"""What a worker can run: an installed strategy, one of a user's file, or a baseline dressed as a strategy.

The baselines take turns like any strategy, so that ratios to them are formed turn by turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from backprop import Accuracy, Batch, Cost, Network, Parameters, Strategy, ValueAndGradient, find_strategy
from backprop.arrays import DType
from backprop.bench.baselines import LOSS, PRODUCTS, Call, loss_call, products_call
from backprop.strategy import EXACT

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
        """None that matters."""
        return EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Every network can be done."""
        return None

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """Never asked for."""
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

"""autograd (HIPS): reverse mode by tracing NumPy; the ancestor of JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Raw, reverse_mode_cost
from backprop.peers.functional import AutomaticPeer, Functional, Plan


@final
class AutogradGrad(AutomaticPeer):
    """autograd.value_and_grad of the loss."""

    name = "autograd-grad"
    package: ClassVar[str] = "autograd"
    oldest: ClassVar[str] = "1.7"
    function: ClassVar[str] = "autograd.numpy for NumPy 2"
    summary: ClassVar[str] = "autograd: value_and_grad of the loss"

    cost = staticmethod(reverse_mode_cost)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import autograd and build value_and_grad of the loss by a list of tensors."""
        import autograd
        import autograd.numpy
        import autograd.scipy.special

        functional = Functional(network.short, autograd)
        names = network.layout.names

        def loss(tensors: list[Any], x: Any, labels: Any) -> Any:
            return functional.loss(dict(zip(names, tensors, strict=True)), x, labels)

        return Plan(autograd.value_and_grad(loss), Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """NumPy's arrays as they are."""
        tensors = list(params.values())
        return lambda: plan.function(tensors, batch.inputs, batch.labels)


STRATEGIES = (AutogradGrad(),)

"""autograd (HIPS): reverse mode by tracing NumPy; the ancestor of JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw, reverse_mode_cost, without_form
from backprop.peers.functional import Functional
from backprop.strategy import EXACT, Accuracy, Cost, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """value_and_grad of the loss by a list of tensors, and the gradient's memory."""

    function: Callable[..., Any]
    gradient: Parameters


@final
class AutogradGrad(Peer[Plan]):
    """autograd.value_and_grad of the loss."""

    name = "autograd-grad"
    package: ClassVar[str] = "autograd"
    oldest: ClassVar[str] = "1.7"
    function: ClassVar[str] = "autograd.numpy for NumPy 2"
    summary: ClassVar[str] = "autograd: value_and_grad of the loss"
    accuracy: Accuracy = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer or a loss that has no form for this library; all others can be done."""
        return without_form(network, self.package)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """That of reverse mode."""
        return reverse_mode_cost(network, batch_size, dtype)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import autograd and build the network."""
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

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradients into one vector."""
        loss, gradients = raw
        for name, array in zip(plan.gradient, gradients, strict=True):
            plan.gradient[name][...] = array
        return ValueAndGradient(float(loss), plan.gradient)


STRATEGIES = (AutogradGrad(),)

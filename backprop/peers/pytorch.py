"""PyTorch: torch.autograd.grad, and torch.func.jacrev of the outputs, vectorised over the samples.

Tensors share their memory with NumPy's arrays, so binding copies nothing. The thread count is the one that the
environment fixed before PyTorch was loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from backprop.arrays import Array, DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw, jacobian_cost, reverse_mode_cost, without_form
from backprop.peers.functional import Functional
from backprop.strategy import EXACT, Accuracy, Cost, ValueAndGradient


@dataclass(frozen=True)
class Plan:
    """The network in PyTorch's functions, and the gradient's memory."""

    functional: Functional
    gradient: Parameters


_BUILD = ("version.cuda", "get_num_threads", "__config__.show")


@final
class TorchGrad(Peer[Plan]):
    """torch.autograd.grad of the loss."""

    name = "torch-grad"
    package: ClassVar[str] = "torch"
    build: ClassVar[tuple[str, ...]] = _BUILD
    oldest: ClassVar[str] = "1.13"
    function: ClassVar[str] = "torch.autograd.grad"
    summary: ClassVar[str] = "PyTorch: torch.autograd.grad of the loss"
    accuracy: Accuracy = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer or a loss that has no form for this library; all others can be done."""
        return without_form(network, self.package)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """That of reverse mode."""
        return reverse_mode_cost(network, batch_size, dtype)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import PyTorch and build the network."""
        import torch

        return Plan(Functional(network, torch), Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Leaves that share the parameters' memory."""
        import torch

        tensors = _leaves(params)
        x, labels = _samples(batch)
        leaves, short = list(tensors.values()), plan.functional.short

        def call() -> Raw:
            loss = short.loss(tensors, x, labels)
            return loss, torch.autograd.grad(loss, leaves)

        return call

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradients into one vector."""
        loss, gradients = raw
        for name, tensor in zip(plan.gradient, gradients, strict=True):
            plan.gradient[name][...] = tensor.numpy()
        return ValueAndGradient(float(loss.detach()), plan.gradient)


@final
class TorchJacrev(Peer[Plan]):
    """torch.func.jacrev of one sample's outputs, vectorised over the batch, contracted with the loss' gradient."""

    name = "torch-jacrev"
    package: ClassVar[str] = "torch"
    build: ClassVar[tuple[str, ...]] = _BUILD
    oldest: ClassVar[str] = "2.0"
    function: ClassVar[str] = "torch.func.jacrev"
    summary: ClassVar[str] = "PyTorch: ∂(outputs)/∂θ by torch.func.jacrev under vmap, then contracted"
    accuracy: Accuracy = EXACT

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer or a loss that has no form for this library; all others can be done."""
        return without_form(network, self.package)

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """That of writing and reading the Jacobian."""
        return jacobian_cost(network, batch_size, dtype)

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import PyTorch and build the network."""
        import torch

        return Plan(Functional(network, torch), Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The vectorised Jacobian as one function."""
        import torch

        functional, loss = plan.functional, plan.functional.network.loss_function
        tensors = {name: torch.from_numpy(array) for name, array in params.items()}
        x, _ = _samples(batch)

        def outputs(own: dict[str, Any], sample: Any) -> tuple[Any, Any]:
            y = functional.outputs(own, sample[None])[0]
            return y, y

        jacobians = torch.func.vmap(torch.func.jacrev(outputs, has_aux=True), in_dims=(None, 0))

        def call() -> Raw:
            jacobian, y = jacobians(tensors, x)
            values = y.detach().numpy()
            row = torch.from_numpy(loss.gradient(values, batch.labels)).reshape(1, -1)
            contracted = {name: row @ j.reshape(row.numel(), -1) for name, j in jacobian.items()}
            return loss.value(values, batch.labels), contracted

        return call

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradients into one vector."""
        loss, gradients = raw
        for name, tensor in gradients.items():
            plan.gradient[name][...] = tensor.detach().numpy().reshape(plan.gradient[name].shape)
        return ValueAndGradient(float(loss), plan.gradient)


def _leaves(params: Parameters) -> dict[str, Any]:
    import torch

    return {name: torch.from_numpy(array).requires_grad_() for name, array in params.items()}


def _samples(batch: Batch) -> tuple[Any, Any]:
    import torch

    labels: Array = batch.labels.astype("int64")
    return torch.from_numpy(batch.inputs), torch.from_numpy(labels)


STRATEGIES = (TorchGrad(), TorchJacrev())

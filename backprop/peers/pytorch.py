"""PyTorch: torch.autograd.grad, and torch.func.jacrev of the outputs, vectorised over the samples.

Tensors share their memory with NumPy's arrays, so binding copies nothing. The thread count is the one that the
environment fixed before PyTorch was loaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, final

from backprop.arrays import DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Raw, jacobian_cost, reverse_mode_cost
from backprop.peers.functional import AutomaticPeer, Functional, Plan


class TorchPeer(AutomaticPeer):
    """One of PyTorch's ways; its plan holds the network in PyTorch's functions."""

    package: ClassVar[str] = "torch"
    build: ClassVar[tuple[str, ...]] = ("version.cuda", "get_num_threads", "__config__.show")

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Import PyTorch and build the network."""
        import torch

        return Plan(Functional(network, torch), Parameters.empty(network.layout, dtype))


@final
class TorchGrad(TorchPeer):
    """torch.autograd.grad of the loss."""

    name = "torch-grad"
    oldest: ClassVar[str] = "1.13"
    function: ClassVar[str] = "torch.autograd.grad"
    summary: ClassVar[str] = "PyTorch: torch.autograd.grad of the loss"

    cost = staticmethod(reverse_mode_cost)

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """Leaves that share the parameters' memory."""
        import torch

        tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in params.items()}
        x, labels = torch.from_numpy(batch.inputs), torch.from_numpy(batch.labels.astype("int64"))
        leaves, short = list(tensors.values()), plan.function.short

        def call() -> Raw:
            loss = short.loss(tensors, x, labels)
            return loss, torch.autograd.grad(loss, leaves)

        return call


@final
class TorchJacrev(TorchPeer):
    """torch.func.jacrev of one sample's outputs, vectorised over the batch, contracted with the loss' gradient."""

    name = "torch-jacrev"
    by_sample: ClassVar[bool] = True
    oldest: ClassVar[str] = "2.0"
    function: ClassVar[str] = "torch.func.jacrev"
    summary: ClassVar[str] = "PyTorch: ∂(outputs)/∂θ by torch.func.jacrev under vmap, then contracted"

    cost = staticmethod(jacobian_cost)

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The vectorised Jacobian as one function."""
        import torch

        functional = plan.function
        loss = functional.network.loss_function
        tensors = {name: torch.from_numpy(array) for name, array in params.items()}
        x = torch.from_numpy(batch.inputs)

        def outputs(own: dict[str, Any], sample: Any) -> tuple[Any, Any]:
            y = functional.outputs(own, sample[None])[0]
            return y, y

        jacobians = torch.func.vmap(torch.func.jacrev(outputs, has_aux=True), in_dims=(None, 0))

        def call() -> Raw:
            with warnings.catch_warnings():  # PyTorch warns where it loops over the samples by itself
                warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
                jacobian, y = jacobians(tensors, x)
            values = y.detach().numpy()
            row = torch.from_numpy(loss.gradient(values, batch.labels)).reshape(1, -1)
            contracted = {name: row @ j.reshape(row.numel(), -1) for name, j in jacobian.items()}
            return loss.value(values, batch.labels), contracted

        return call


STRATEGIES = (TorchGrad(), TorchJacrev())

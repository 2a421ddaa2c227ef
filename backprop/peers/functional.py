"""What the peers share that differentiate functions: a network in the words of a library, and its derivatives.

outputs(tensors, x)           the network's outputs, for Jacobians of them
loss(tensors, x, labels)      the scalar
short                         the same of the network's short form, whose loss is exact for any logits
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from backprop.arrays import DType
from backprop.layer_forms import couples_samples
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw
from backprop.strategy import EXACT, Accuracy, ValueAndGradient


@dataclass(frozen=True)
class Functional:
    """A network built from the functions of a library, whose imported package is `module`."""

    network: Network
    module: ModuleType

    @property
    def short(self) -> Functional:
        """The same of the network's short form."""
        return Functional(self.network.short, self.module)

    def outputs(self, tensors: Any, x: Any) -> Any:
        """The network's outputs (n, c)."""
        return self.network.by_library(self.module, tensors, x)

    def loss_of(self, y: Any, labels: Any) -> Any:
        """The loss of outputs, the mean over n."""
        return self.network.loss_function.peers[self.module.__name__](self.module, y, labels)

    def loss(self, tensors: Any, x: Any, labels: Any) -> Any:
        """The loss, the mean over n."""
        return self.loss_of(self.outputs(tensors, x), labels)


@dataclass(frozen=True)
class Plan:
    """What the library calls, and the gradient's memory."""

    function: Any
    gradient: Parameters


class AutomaticPeer(Peer[Plan]):
    """A library that derives the gradient of functions written in its own words."""

    accuracy: ClassVar[Accuracy] = EXACT
    by_sample: ClassVar[bool] = False
    """Whether the function of one sample is differentiated, and vectorised over the batch."""

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """A layer or a loss that has no form for this library, or couples samples that are taken one by one."""
        if self.by_sample and (reason := couples_samples(network)) is not None:
            return reason
        for layer in network.layers:
            if self.package not in layer.peers:
                return f"the layer {layer.name} has no form for {self.package}"
        loss = network.short.loss_function
        return None if self.package in loss.peers else f"the loss {loss.name} has no form for {self.package}"

    def compiled(self, function: Any, network: Network, batch_size: int, dtype: DType) -> Plan:
        """The plan of a function that compiles in its first call, which is made here, for these shapes."""
        plan = Plan(function, Parameters.empty(network.layout, dtype))
        batch = Batch(np.zeros((batch_size, network.inputs), dtype), np.zeros(batch_size, np.int64))
        self.bind(plan, Parameters.zeros(network.layout, dtype), batch)()
        return plan

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradients, by name or in the order of the parameters, into one vector."""
        loss, gradients = raw
        named = gradients if isinstance(gradients, dict) else dict(zip(plan.gradient, gradients, strict=True))
        for name, tensor in named.items():
            plan.gradient[name][...] = np.asarray(tensor).reshape(plan.gradient[name].shape)
        # PyTorch's loss carries the graph of its derivation along.
        return ValueAndGradient(float(loss.detach() if hasattr(loss, "detach") else loss), plan.gradient)

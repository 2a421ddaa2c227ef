"""What the peers share that differentiate a black box: a function of the vector (p,) that returns the loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backprop.arrays import Array, DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.peers.base import Peer, Raw
from backprop.strategy import Cost, ValueAndGradient

VectorLoss = Callable[[Array], Any]
"""The loss as a function of the parameter vector (p,)."""


@dataclass(frozen=True)
class Plan:
    """The network and the gradient's memory."""

    network: Network
    gradient: Parameters


class BlackBoxPeer(Peer[Plan]):
    """A library that evaluates the loss at disturbed parameters; a subclass says how often, and how."""

    @abstractmethod
    def evaluations(self, network: Network) -> int:
        """How often it evaluates the loss for one gradient, our own value included."""

    @abstractmethod
    def differentiate(self, loss: VectorLoss) -> Callable[[Array], Any]:
        """The library's gradient (p,) of `loss` as a function of the vector (p,)."""

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Their steps and tolerances are made for float64: what float32 keeps of such a step is rounding."""
        return None if dtype.itemsize == 8 else "its steps are made for float64"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The cost of that many forward passes."""
        n, size, weights = batch_size, dtype.itemsize, network.parameter_count
        calls = self.evaluations(network)
        return Cost(
            flops=calls * network.forward_flops(n),
            bytes_moved=calls * network.forward_traffic(n, size),
            peak_bytes=size * (4 * weights + 2 * n * network.units),
            forward_calls=calls,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Allocate the gradient."""
        return Plan(network, Parameters.empty(network.layout, dtype))

    def bind(self, plan: Plan, params: Parameters, batch: Batch) -> Callable[[], Raw]:
        """The loss of this batch as a function of the vector, and the library's gradient of it."""

        def loss(vector: Array) -> Any:
            return plan.network.loss(Parameters(params.layout, vector), batch.inputs, batch.labels)

        gradient = self.differentiate(loss)
        return lambda: (loss(params.vector), gradient(params.vector))

    def collect(self, plan: Plan, raw: Raw) -> ValueAndGradient:
        """Copy the gradient."""
        plan.gradient.vector[...] = raw[1]
        return ValueAndGradient(float(raw[0]), plan.gradient)

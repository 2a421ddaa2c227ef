"""What the peers share that differentiate a black box: a function of the vector (p,) that returns the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backprop.arrays import Array, DType
from backprop.network import Batch, Network
from backprop.parameters import Parameters
from backprop.strategy import Cost


@dataclass(frozen=True)
class Plan:
    """The network and the gradient's memory."""

    network: Network
    gradient: Parameters


def loss_of_vector(network: Network, params: Parameters, batch: Batch) -> Callable[[Array], Any]:
    """The loss as a function of the parameter vector (p,)."""

    def loss(vector: Array) -> Any:
        own = Parameters(params.layout, vector)
        return network.loss(own, batch.inputs, batch.labels)

    return loss


def black_box_cost(network: Network, batch_size: int, dtype: DType, calls: int) -> Cost:
    """That of so many forward passes."""
    n, size, weights = batch_size, dtype.itemsize, network.parameter_count
    activations = sum(n * o for _, o in network.widths)
    return Cost(
        flops=calls * network.forward_flops(n),
        bytes_moved=calls * size * (weights + n * network.inputs + 2 * activations),
        peak_bytes=size * (4 * weights + 2 * activations),
        forward_calls=calls,
    )

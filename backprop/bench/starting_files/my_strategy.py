"""A strategy to start from: the gradient of a network with one hidden layer of relu, as one writes it on paper.

Rename the class and `name`, change `value_and_gradient`, and measure it beside the others:

    backprop verify --scenario toy --strategy FILE:Mine,short-form    # is it right?
    backprop run --scenario toy --strategy FILE:Mine,short-form       # what does it cost?

Letters: n samples, i inputs, h hidden units, c classes.
"""

from dataclasses import dataclass

import numpy as np

from backprop import Batch, Cost, Network, Parameters, Strategy, ValueAndGradient
from backprop.arrays import DType
from backprop.strategy import EXACT


@dataclass(frozen=True)
class Plan:
    """What is made once and used by every call: here the arrays that the gradient is written into."""

    network: Network
    gradient: Parameters


class Mine(Strategy[Plan]):
    """The chain rule written out, with p - t for softmax and cross-entropy together."""

    name = "mine"
    summary = "the closed form of one hidden layer, written out"
    accuracy = EXACT  # errors of rounding alone; backprop.strategy has other error models

    def unsupported(self, network: Network, dtype: DType) -> str | None:
        """Why this strategy cannot take the network, or None where it can."""
        layers = [layer.name for layer in network.layers]
        fits = layers == ["linear", "relu", "linear", "softmax"]
        fits = fits and network.loss_function.name == "cross-entropy"
        return None if fits else "it is written for one hidden layer of relu, softmax and cross-entropy"

    def cost(self, network: Network, batch_size: int, dtype: DType) -> Cost:
        """The predicted cost. This method may be left out: then nothing is predicted."""
        n, size, p = batch_size, dtype.itemsize, network.parameter_count
        activations = sum(n * o for _, o in network.widths)
        return Cost(
            flops=6 * n * p,
            bytes_moved=3 * size * p,
            peak_bytes=size * (2 * p + activations),
            forward_calls=1,
        )

    def prepare(self, network: Network, batch_size: int, dtype: DType) -> Plan:
        """Make what every call uses; its time is measured apart."""
        return Plan(network, Parameters.empty(network.layout, dtype))

    def value_and_gradient(self, plan: Plan, params: Parameters, batch: Batch) -> ValueAndGradient:
        """The mean loss over the samples, and its gradient: this call is what is timed."""
        x, n, gradient = batch.inputs, len(batch.inputs), plan.gradient

        z1 = x @ params["W1"] + params["b1"]  # (n, h)
        a1 = np.maximum(z1, 0)
        z2 = a1 @ params["W2"] + params["b2"]  # (n, c)
        e = np.exp(z2 - z2.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(p[np.arange(n), batch.labels]))

        p[np.arange(n), batch.labels] -= 1
        d2 = p / p.dtype.type(n)  # ∂L/∂z2 = (p - t) / n
        gradient["W2"][...] = a1.T @ d2
        gradient["b2"][...] = d2.sum(axis=0)
        d1 = (d2 @ params["W2"].T) * (z1 > 0)  # ∂L/∂z1
        gradient["W1"][...] = x.T @ d1
        gradient["b1"][...] = d1.sum(axis=0)
        return ValueAndGradient(float(loss), gradient)

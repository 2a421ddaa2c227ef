"""Strategies as a user writes them: back-propagation that recomputes activations on its way back (checkpointing).

Their cost is not predicted.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backprop import Parameters, Strategy, ValueAndGradient
from backprop.strategy import EXACT


@final
@dataclass(frozen=True, repr=False)
class Checkpointed(Strategy):
    """Keeps the inputs of the network alone, and computes each layer's input again when it is needed.

    `by_sample` does so for one sample after another.
    """

    by_sample: bool = False
    name = "checkpointed"
    summary: ClassVar[str] = "one VJP a layer, activations recomputed"
    accuracy = EXACT

    def unsupported(self, network, dtype):
        return None

    def prepare(self, network, batch_size, dtype):
        return network, Parameters.empty(network.layout, dtype)

    def value_and_gradient(self, plan, params, batch):
        network, gradient = plan
        gradient.vector[...] = 0
        n, loss = len(batch.labels), 0.0
        parts = [slice(k, k + 1) for k in range(n)] if self.by_sample else [slice(0, n)]
        for part in parts:
            loss += self._add(network, params, batch.inputs[part], batch.labels[part], gradient) / len(parts)
        gradient.vector /= len(parts)
        return ValueAndGradient(loss, gradient)

    @staticmethod
    def _add(network, params, inputs, labels, gradient):
        own = network.local(params)

        def upto(k):
            x = inputs
            for layer, tensors in zip(network.layers[:k], own, strict=False):
                x = layer.forward(tensors, x)
            return x

        y = upto(len(network.layers))
        loss, dy = network.loss_function.value(y, labels), network.loss_function.gradient(y, labels)
        for k in reversed(range(len(network.layers))):
            layer, x = network.layers[k], upto(k)
            dy, tensors = layer.vjp(own[k], x, layer.forward(own[k], x), dy)
            for local, tensor in tensors.items():
                gradient[network.names[k][local]][...] += np.asarray(tensor)
        return float(loss)


@final
class HalfBatches(Checkpointed):
    """The same, in two halves of the batch: neither all samples at once nor one by one."""

    name = "half-batches"

    def value_and_gradient(self, plan, params, batch):
        network, gradient = plan
        gradient.vector[...] = 0
        half = len(batch.labels) // 2
        loss = sum(
            self._add(network, params, batch.inputs[part], batch.labels[part], gradient)
            for part in (slice(0, half), slice(half, None))
        )
        gradient.vector /= 2
        return ValueAndGradient(loss / 2, gradient)

"""Running statistics: what evaluation takes in place of the numbers of a batch, followed while a network is trained.

running ← (1 - momentum) running + momentum · statistics of the batch        at every step (`Layer.follow`)

Only a batch normalisation has some. They are followed in a forward pass of their own, up to the last such layer, so
that every strategy trains such a network, whatever it computes. A network without any is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from backprop.arrays import Array, DType
from backprop.network import Network
from backprop.parameters import Parameters


class Running:
    """The running statistics of a network, by name: mean2 and variance2 of the second layer with parameters."""

    def __init__(self, network: Network, dtype: DType) -> None:
        self._network = network
        self.values = {name: value.astype(dtype) for name, value in network.statistics().items()}
        self._last = max((k for k, own in enumerate(network.statistics_names) if own), default=-1)

    def follow(self, params: Parameters, inputs: Array) -> None:
        """Move the statistics towards those of a batch (n, i)."""
        x, local = inputs, self._network.local_statistics(self.values)
        for k, own in enumerate(self._network.local(params)[: self._last + 1]):
            layer = self._network.layers[k]
            if self._network.statistics_names[k]:
                layer.follow(own, x, local[k])
            if k < self._last:
                x = layer.forward(own, x)

    def outputs(self, layers: int, params: Parameters, inputs: Array) -> Array:
        """What the first `layers` layers make of inputs (n, i) after training: of each sample by itself."""
        return self._network.trained(params, inputs, self.values, layers)

    def restore(self, values: Mapping[str, Array]) -> None:
        """Take over the values of a checkpoint."""
        for name, value in self.values.items():
            value[...] = values[name]

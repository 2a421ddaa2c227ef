"""A network in the words of an automatic library: the same formulas, with the library's functions.

logits(tensors, x)            what the loss of the network's short form is of
loss(tensors, x, labels)      the scalar
outputs(tensors, x)           the network's outputs, for Jacobians of them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backprop.network import Network


@dataclass(frozen=True)
class Functional:
    """A network built from a library's functions.

    activations: by the name of the layer. losses: functions of outputs and labels, by the name of the loss.
    """

    network: Network
    activations: Mapping[str, Callable[[Any], Any]]
    losses: Mapping[str, Callable[[Any, Any], Any]]

    def logits(self, tensors: Mapping[str, Any], x: Any) -> Any:
        """The outputs of the network's short form (n, c)."""
        return self._through(len(self.network.short.layers), tensors, x)

    def outputs(self, tensors: Mapping[str, Any], x: Any) -> Any:
        """The network's outputs (n, c)."""
        return self._through(len(self.network.layers), tensors, x)

    def loss(self, tensors: Mapping[str, Any], x: Any, labels: Any) -> Any:
        """The loss, the mean over n."""
        loss = self.losses[self.network.short.loss_function.name]
        return loss(self.logits(tensors, x), labels)

    def _through(self, count: int, tensors: Mapping[str, Any], x: Any) -> Any:
        for layer, names in zip(self.network.layers[:count], self.network.names, strict=False):
            x = x @ tensors[names["W"]] + tensors[names["b"]] if names else self.activations[layer.name](x)
        return x

"""A network in the words of an automatic library: the forms that its layers and its loss give for that library.

outputs(tensors, x)           the network's outputs, for Jacobians of them
loss(tensors, x, labels)      the scalar
short                         the same of the network's short form, whose loss is exact for any logits
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from backprop.network import Network


@dataclass(frozen=True)
class Functional:
    """A network built from the functions of a library, whose imported package is `module`."""

    network: Network
    module: ModuleType

    @property
    def short(self) -> Functional:
        """That of the short form."""
        return Functional(self.network.short, self.module)

    def outputs(self, tensors: Any, x: Any) -> Any:
        """The network's outputs (n, c)."""
        for layer, names in zip(self.network.layers, self.network.names, strict=True):
            own = {local: tensors[name] for local, name in names.items()}
            x = layer.peers[self.module.__name__](self.module, own, x)
        return x

    def loss_of(self, y: Any, labels: Any) -> Any:
        """The loss of outputs, the mean over n."""
        return self.network.loss_function.peers[self.module.__name__](self.module, y, labels)

    def loss(self, tensors: Any, x: Any, labels: Any) -> Any:
        """The loss, the mean over n."""
        return self.loss_of(self.outputs(tensors, x), labels)

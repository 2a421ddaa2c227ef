"""What follows a linear layer, seen from one weight of it: one unit is moved, then all of them.

z → activations that act on each unit alone → a layer that mixes the units → … → loss
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

from backprop.layers import Elementwise, Layer, Linear
from backprop.network import Network


class Sized(NamedTuple):
    """A layer and its widths i and o."""

    layer: Layer
    i: int
    o: int


class Tail(NamedTuple):
    """The layers after a linear one, up to the loss.

    local: those that see one moved unit. full: those after them. classes: the network's outputs.
    """

    local: list[Sized]
    full: list[Sized]
    classes: int

    @classmethod
    def of(cls, network: Network, k: int) -> Tail:
        """Of linear layer k."""
        sizes = zip(network.layers, network.widths, strict=True)
        rest = [Sized(layer, i, o) for layer, (i, o) in sizes][k + 1 :]
        local = list(takewhile(lambda step: isinstance(step.layer, Elementwise), rest))
        return cls(local, rest[len(local) :], network.classes)

    @property
    def enters_by_row(self) -> bool:
        """Whether a linear layer mixes the units, so that the moved one enters by its row of the weights."""
        return bool(self.full) and isinstance(self.full[0].layer, Linear)

    @property
    def entry(self) -> int:
        """The width of the first array in which all units are moved."""
        if not self.full:
            return self.classes
        return self.full[0].o if self.enters_by_row else self.full[0].i

    @property
    def evaluated(self) -> list[Sized]:
        """The layers that are handed such an array."""
        return self.full[1:] if self.enters_by_row else self.full

    @property
    def width(self) -> int:
        """Of the widest such array."""
        return max([self.entry, *(step.o for step in self.evaluated)])


def unknown_parameters(network: Network) -> str | None:
    """Names a layer, other than a linear one, that has parameters: what they move is not known."""
    for layer in network.layers:
        if layer.parameter_shapes() and not isinstance(layer, Linear):
            return f"the layer {layer.name} has parameters, and what they move is known of linear layers only"
    return None

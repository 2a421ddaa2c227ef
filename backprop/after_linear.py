"""The layers after a linear one, as one of its weights reaches them: first it moves one unit, then all units.

z → activations that act on each unit alone → a layer that mixes the units → … → loss
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

from backprop.layers import Elementwise, Linear
from backprop.layers.chain import Sized
from backprop.network import Network


class AfterLinear(NamedTuple):
    """The layers after a linear one, up to the loss.

    local: the first of them, which act on each unit alone. full: the others. classes: the network's outputs.
    """

    local: list[Sized]
    full: list[Sized]
    classes: int

    @classmethod
    def of(cls, network: Network, k: int) -> AfterLinear:
        """The layers after layer k, which is linear."""
        rest = list(network.sized[k + 1 :])
        local = list(takewhile(lambda step: isinstance(step.layer, Elementwise), rest))
        return cls(local, rest[len(local) :], network.classes)

    @property
    def enters_by_row(self) -> bool:
        """Whether a linear layer mixes the units: then one moved unit adds a multiple of one row of its weights."""
        return bool(self.full) and isinstance(self.full[0].layer, Linear)

    @property
    def entry(self) -> int:
        """The width of the first array in which all units are moved."""
        if not self.full:
            return self.classes
        return self.full[0].o if self.enters_by_row else self.full[0].i

    @property
    def evaluated(self) -> list[Sized]:
        """The layers whose input is an array in which all units are moved."""
        return self.full[1:] if self.enters_by_row else self.full

    @property
    def width(self) -> int:
        """The largest width among the arrays in which all units are moved."""
        return max([self.entry, *(step.o for step in self.evaluated)])


def unknown_parameters(network: Network) -> str | None:
    """Why a network cannot be done: a layer other than a linear one has parameters. None where none has."""
    for layer in network.layers:
        if layer.parameter_shapes() and not isinstance(layer, Linear):
            return f"the layer {layer.name} has parameters, and what they move is known of linear layers only"
    return None

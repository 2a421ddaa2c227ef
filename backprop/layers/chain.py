"""Layers one after another, f = f_K ∘ … ∘ f_1: what a network and the inside of a residual have in common."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from backprop.arrays import Array
from backprop.layers.base import Layer, Shape, Tensors

Names = tuple[dict[str, str], ...]
"""For every layer, its local names to those of the chain: {"W": "W1", "b": "b1"}."""

FORWARD, BACK, PARTS, JVP, JACOBIAN = 1.0, 1.0, 4.5, 3.5, 3.0
"""Forward passes that take as long as a pass of each kind, through recurrent layers so small that Python's calls are
what takes time. A VJP by parts, a JVP and a Jacobian have a forward pass in them. Seen at 8 to 64 units."""


class Sized(NamedTuple):
    """A layer and its widths i and o."""

    layer: Layer
    i: int
    o: int


class Evaluated(NamedTuple):
    """A layer with its own parameters, its input x (n, i) and its output y (n, o)."""

    layer: Layer
    own: Mapping[str, Array]
    x: Array
    y: Array


class Chain(ABC):
    """Layers one after another; a subclass has the field `layers`, the shape of a sample, and marks for its names."""

    layers: tuple[Layer, ...]

    @property
    @abstractmethod
    def input_shape(self) -> Shape:
        """How the numbers of a sample are arranged."""

    @abstractmethod
    def mark(self, number: int) -> str:
        """What the names of the layer with parameters of that number, from 1 on, end in: W1, or Wa."""

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """How a sample's numbers are arranged at the inputs and after every layer.

        Raises `NetworkError` where two layers do not fit together.
        """
        return shapes_of(self.input_shape, self.layers)

    @cached_property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """(i, o) of every layer."""
        return tuple(itertools.pairwise(math.prod(shape) for shape in self.shapes))

    @cached_property
    def sized(self) -> tuple[Sized, ...]:
        """Every layer with its widths."""
        return tuple(Sized(layer, i, o) for layer, (i, o) in zip(self.layers, self.widths, strict=True))

    @property
    def units(self) -> int:
        """The outputs of all layers together: so many numbers a forward pass keeps of one sample."""
        return sum(o for _, o in self.widths)

    # Parameters and statistics, by the names of the chain

    @cached_property
    def names(self) -> Names:
        """For every layer, its local parameter names to those of the chain: {"W": "W1", "b": "b1"}."""
        return self._marked([layer.parameter_shapes() for layer in self.layers])

    @cached_property
    def statistics_names(self) -> Names:
        """The same of its statistics: {"mean": "mean1"}."""
        return self._marked([layer.statistics() for layer in self.layers])

    def _marked(self, own: Sequence[Mapping[str, Any]]) -> Names:
        numbers = itertools.accumulate(int(bool(layer.parameter_shapes())) for layer in self.layers)
        return tuple(
            {name: f"{name}{self.mark(number)}" for name in named}
            for named, number in zip(own, numbers, strict=True)
        )

    def parameter_shapes(self) -> dict[str, Shape]:
        """Those of all layers."""
        return collected(self.names, [layer.parameter_shapes() for layer in self.layers])

    def statistics(self) -> dict[str, Array]:
        """Those of all layers, as they begin."""
        return collected(self.statistics_names, [layer.statistics() for layer in self.layers])

    def local(self, tensors: Mapping[str, Array]) -> list[dict[str, Array]]:
        """For every layer, its own tensors by their local names."""
        return _by_layer(self.names, tensors)

    def local_statistics(self, running: Mapping[str, Array]) -> list[dict[str, Array]]:
        """For every layer, its own statistics by their local names."""
        return _by_layer(self.statistics_names, running)

    # Forward

    def evaluate(self, own: Sequence[Tensors], inputs: Array) -> list[Evaluated]:
        """A forward pass that keeps every layer's input and output; `own` is `local` of the parameters."""
        passed: list[Evaluated] = []
        y = inputs
        for layer, tensors in zip(self.layers, own, strict=True):
            x, y = y, layer.forward(tensors, y)
            passed.append(Evaluated(layer, tensors, x, y))
        return passed

    def chained(self, own: Sequence[Tensors], inputs: Array) -> Array:
        """The outputs (n, o) of the last layer; no other is kept longer than it is needed."""
        x = inputs
        for layer, tensors in zip(self.layers, own, strict=True):
            x = layer.forward(tensors, x)
        return x

    def trained(self, params: Tensors, x: Array, running: Tensors, layers: int | None = None) -> Array:
        """What all layers, or the first ones, make of x (n, i) after training: of each sample by itself."""
        own, statistics = self.local(params), self.local_statistics(running)
        for layer, tensors, known in zip(self.layers[:layers], own, statistics, strict=False):
            x = layer.evaluated(tensors, x, known)
        return x

    def by_library(self, module: Any, params: Any, inputs: Any) -> Any:
        """The same by the layers' forms for a library, whose imported package is `module`."""
        x, library = inputs, module.__name__
        for layer, own in zip(self.layers, self.local(params), strict=True):
            x = layer.peers[library](module, own, x)
        return x

    @property
    def step_shares(self) -> tuple[float, ...]:
        """Which share of all steps that are taken one after another each layer takes; zeros where there are none."""
        steps = [layer.steps for layer in self.layers]
        return tuple(own / max(1, sum(steps)) for own in steps)

    def passes_over(self, times: Sequence[float]) -> int:
        """Forward passes that take as many steps as `times` passes through each layer."""
        return math.ceil(sum(share * own for share, own in zip(self.step_shares, times, strict=True)))

    def layers_traffic(self, n: int) -> int:
        """The numbers that are moved to make the factors through which parameters enter, and inputs but the first."""
        return sum(
            (1 + (k > 0)) * layer.covector_traffic(n, i, o) for k, (layer, i, o) in enumerate(self.sized)
        )

    def layers_flops(self, n: int) -> int:
        """Predicted floating-point operations of `chained`."""
        return sum(layer.forward_flops(n, i, o) for layer, i, o in self.sized)

    def backward_flops(self, batch_size: int, *, first_input_needed: bool) -> int:
        """Predicted floating-point operations of a VJP of every layer; that of the first may leave out its dx."""
        return sum(
            layer.vjp_flops(batch_size, i, o, input_needed=k > 0 or first_input_needed)
            for k, (layer, i, o) in enumerate(self.sized)
        )

    def layers_parts_flops(self, n: int) -> int:
        """Predicted floating-point operations of a VJP of every layer by its parts."""
        return sum(layer.parts_flops(n, i, o) for layer, i, o in self.sized)

    def layers_bytes(self, n: int, itemsize: int) -> int:
        """Predicted peak bytes of `chained`: a layer's input, unless it is the batch, and what it allocates."""
        return max(
            (n * i * itemsize if k > 0 else 0) + layer.forward_bytes(n, i, o, itemsize, out=False)
            for k, (layer, i, o) in enumerate(self.sized)
        )


def shapes_of(shape: Shape, layers: Iterable[Layer]) -> tuple[Shape, ...]:
    """How a sample's numbers are arranged at the inputs, `shape`, and after every layer."""
    return tuple(itertools.accumulate(layers, lambda made, layer: layer.output_shape(made), initial=shape))


def collected(names: Names, own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What every layer says of its local `names`, by those of the chain."""
    return {
        named[local]: value
        for named, values in zip(names, own, strict=True)
        for local, value in values.items()
        if local in named
    }


def _by_layer(names: Names, tensors: Mapping[str, Array]) -> list[dict[str, Array]]:
    return [{local: tensors[name] for local, name in named.items()} for named in names]

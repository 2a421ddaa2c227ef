"""The layers: one file per layer, and how `Network.mlp` finds an activation by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from backprop.errors import NetworkError
from backprop.finding import LoadError, classes, find_class, said
from backprop.layers.base import EinsumFactor, Layer, Planned, Shape, Tensors
from backprop.layers.elementwise import Elementwise
from backprop.layers.gelu import GELU
from backprop.layers.linear import Linear
from backprop.layers.relu import ReLU
from backprop.layers.sigmoid import Sigmoid
from backprop.layers.softmax import Softmax
from backprop.layers.tanh import Tanh

LAYERS: dict[str, type[Layer]] = classes(__name__, __path__, Layer)  # type: ignore[type-abstract]
"""Every layer that has a file here, by name."""


def _of_any_width(kind: type[Layer]) -> bool:
    """Whether `of` makes the layer of a width alone, and leaves that width as it is."""
    try:
        return kind.of((4,)).output_width(4) == 4
    except NetworkError:
        return False


HIDDEN = {name: kind for name, kind in LAYERS.items() if _of_any_width(kind)}
"""Those that `Network.mlp` puts between two linear layers: `of` makes them of their width alone."""

ACTIVATIONS = {name: kind for name, kind in HIDDEN.items() if not inspect.signature(kind).parameters}
"""Those of any width: they are made without arguments."""


def find_layer(name: str, kind: str = "layer") -> type[Layer]:
    """The class of the layer of that name or alias; `kind`, such as "activation", is what a message calls it.

    Raises `UnknownNameError` for a name that is not known, `LoadError` for a class that is no layer.
    """
    known = HIDDEN if kind == "activation" else LAYERS
    aliases = {alias: found.name for found in known.values() for alias in found.aliases}
    return find_class(kind, Layer, aliases.get(str(name), name), known, "backprop.layers")  # type: ignore[type-abstract]


def find_activation(kind: str, name: str) -> Callable[[int], Layer]:
    """What makes the layer of that name for a width; `kind`, such as "output", is what a message calls it.

    Raises `UnknownNameError` for a name that is not known, `LoadError` for a class that is no such layer.
    """
    found = find_layer(name, kind)

    def make(width: int) -> Layer:
        try:
            return found.of((width,))
        except NetworkError:
            raise
        except Exception as error:
            raise LoadError(
                f"The layer {name} could not be made: {said(error)}; expected one that takes its width."
            ) from error

    return make


__all__ = [
    "ACTIVATIONS",
    "GELU",
    "HIDDEN",
    "LAYERS",
    "EinsumFactor",
    "Elementwise",
    "Layer",
    "Linear",
    "Planned",
    "ReLU",
    "Shape",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Tensors",
    "find_activation",
    "find_layer",
]

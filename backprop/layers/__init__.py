"""The layers: one file per layer, and how `Network.mlp` finds an activation by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from backprop.finding import LoadError, classes, find_class, said
from backprop.layers.base import EinsumFactor, Layer, Tensors
from backprop.layers.elementwise import Elementwise
from backprop.layers.gelu import GELU
from backprop.layers.linear import Linear
from backprop.layers.relu import ReLU
from backprop.layers.sigmoid import Sigmoid
from backprop.layers.softmax import Softmax
from backprop.layers.tanh import Tanh

LAYERS: dict[str, type[Layer]] = classes(__name__, __path__, Layer)  # type: ignore[type-abstract]
"""Every layer that has a file here, by name."""

HIDDEN = {name: kind for name, kind in LAYERS.items() if len(inspect.signature(kind).parameters) < 2}
"""Those that stand between two linear layers: they are made without arguments, or of their width alone."""

ACTIVATIONS = {name: kind for name, kind in HIDDEN.items() if not inspect.signature(kind).parameters}
"""Those of any width: they are made without arguments."""


def find_activation(kind: str, name: str) -> Callable[[int], Layer]:
    """What makes the layer of that name for a width; `kind`, such as "output", is what a message calls it.

    Raises `UnknownNameError` for a name that is not known, `LoadError` for a class that is no such layer.
    """
    known = LAYERS if kind == "output" else HIDDEN
    found = find_class(kind, Layer, name, known, "backprop.layers")  # type: ignore[type-abstract]

    def make(width: int) -> Layer:
        try:
            return found(*[width][: len(inspect.signature(found).parameters)])
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
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Tensors",
    "find_activation",
]

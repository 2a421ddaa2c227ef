"""The layers: one file per layer, and the table by which `Network.mlp` finds an activation by its name."""

from __future__ import annotations

from backprop.layers.base import EinsumFactor, Layer, Tensors
from backprop.layers.elementwise import Elementwise
from backprop.layers.gelu import GELU
from backprop.layers.linear import Linear
from backprop.layers.relu import ReLU
from backprop.layers.sigmoid import Sigmoid
from backprop.layers.softmax import Softmax
from backprop.layers.tanh import Tanh

ACTIVATIONS: dict[str, type[Layer]] = {layer.name: layer for layer in (ReLU, Tanh, Sigmoid, GELU, Softmax)}

__all__ = [
    "ACTIVATIONS",
    "GELU",
    "EinsumFactor",
    "Elementwise",
    "Layer",
    "Linear",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Tensors",
]

"""The losses: one file per loss, and how `Network.mlp` finds one by its name."""

from __future__ import annotations

from backprop.finding import classes, find_class
from backprop.layers import ACTIVATIONS
from backprop.losses.base import Loss
from backprop.losses.cross_entropy import CrossEntropy
from backprop.losses.mean_squared_error import MeanSquaredError
from backprop.losses.softmax_cross_entropy import SoftmaxCrossEntropy

_FOUND: dict[str, type[Loss]] = classes(__name__, __path__, Loss)  # type: ignore[type-abstract]
_SHORT = {type(loss().after(layer())) for loss in _FOUND.values() for layer in ACTIVATIONS.values()}

LOSSES = {name: loss for name, loss in _FOUND.items() if loss not in _SHORT}
"""Every loss that has a file here, by name, but those that stand for another loss and the layer before it."""


def make_loss(name: str) -> Loss:
    """The loss of that name, entry point or `file.py:Class`; raises `UnknownNameError` or `LoadError`."""
    return find_class("loss", Loss, name, LOSSES, "backprop.losses")()  # type: ignore[type-abstract]


__all__ = ["LOSSES", "CrossEntropy", "Loss", "MeanSquaredError", "SoftmaxCrossEntropy", "make_loss"]

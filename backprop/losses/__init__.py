"""The losses: one file per loss, and the table by which `Network.mlp` finds one by its name."""

from __future__ import annotations

from backprop.losses.base import Loss
from backprop.losses.cross_entropy import CrossEntropy
from backprop.losses.mean_squared_error import MeanSquaredError
from backprop.losses.softmax_cross_entropy import SoftmaxCrossEntropy

LOSSES: dict[str, type[Loss]] = {loss.name: loss for loss in (CrossEntropy, MeanSquaredError)}

__all__ = ["LOSSES", "CrossEntropy", "Loss", "MeanSquaredError", "SoftmaxCrossEntropy"]

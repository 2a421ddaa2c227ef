"""Evaluation: a network's outputs on a whole data set, a few samples at a time so that little memory is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop.arrays import Array
from backprop.data import as_inputs
from backprop.network import Network
from backprop.parameters import Parameters
from backprop.training.metrics import Metrics, measure

CHUNK = 1000
"""Samples of one forward pass: 5 MB in float32 for 784-512-10."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Outputs (n, c) for labels (n,), the mean loss, and whether the outputs are probabilities."""

    outputs: Array
    labels: Array
    loss: float
    probabilities: bool

    @property
    def accuracy(self) -> float:
        """The share of samples whose class has the largest output."""
        return float(np.mean(self.outputs.argmax(axis=1) == self.labels))

    def metrics(self) -> Metrics:
        """Every metric of these outputs."""
        return measure(self.outputs, self.labels, self.loss, probabilities=self.probabilities)


def evaluate(network: Network, params: Parameters, images: Array, labels: Array) -> Evaluation:
    """Run `network` on images, uint8 (n, height, width) or inputs (n, i) of the parameters' dtype.

    The loss is that of the network's short form, so that it stays exact.
    """
    short, last = network.short, network.layers[len(network.short.layers) :]
    outputs = np.empty((len(images), network.classes), params.dtype)
    total = 0.0
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        x = as_inputs(images[part], params.dtype) if images.dtype == np.uint8 else images[part]
        x = short.forward(params, x)
        total += float(short.loss_function.value(x, labels[part])) * len(x)
        for layer in last:
            x = layer.forward({}, x)
        outputs[part] = x
    return Evaluation(outputs, labels, total / len(images), network.layers[-1].name == "softmax")

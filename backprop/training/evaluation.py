"""The evaluation of a classifier: its outputs (n, c) on a whole data set, and the metrics of the field.

    confusion[a, b]   samples of class a that were taken for class b
    precision         of what was taken for a class, the share that belongs to it
    recall            of what belongs to a class, the share that was taken for it
    F1                2 · precision · recall / (precision + recall)
    macro, weighted   the mean over the classes: plain, and weighted by their samples (their support)
    top-2             the share of samples whose class is among the two most probable
    ECE               Σ_b |B_b|/n · |accuracy(B_b) - confidence(B_b)|, over 15 equal bins of confidence

Where the whole is 0, a share is 0. Sources: Powers 2011 (precision to F1); Naeini et al. 2015 and Guo et al. 2017,
section 2 (expected calibration error; confidence is the largest probability of a sample).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backprop.arrays import Array, DType
from backprop.data import as_inputs
from backprop.errors import NetworkError
from backprop.network import Network
from backprop.parameters import Parameters

BINS = 15


class Average(NamedTuple):
    """Precision, recall and F1, averaged over the classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The reliability diagram: (bins,) each. Bin b holds confidences above b/bins up to (b + 1)/bins.

    count: samples. confidence, accuracy: their means, NaN where there is no sample.
    """

    count: Array
    confidence: Array
    accuracy: Array

    @property
    def expected_error(self) -> float:
        """The ECE, between 0 and 1."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.sum(gaps * self.count[filled]) / np.sum(self.count))


@dataclass(frozen=True, eq=False)
class Metrics:
    """What a classifier got right on n samples.

    loss: the mean over n. confusion: (c, c), rows are true classes. precision, recall, f1, support: (c,).
    calibration: None where the outputs are no probabilities.
    """

    samples: int
    loss: float
    accuracy: float
    top2: float
    confusion: Array
    precision: Array
    recall: Array
    f1: Array
    calibration: Calibration | None

    @property
    def support(self) -> Array:
        """Samples of every class (c,)."""
        support: Array = self.confusion.sum(axis=1)
        return support

    @property
    def macro(self) -> Average:
        """The plain mean over all classes."""
        return Average(*(float(np.mean(values)) for values in (self.precision, self.recall, self.f1)))

    @property
    def weighted(self) -> Average:
        """The mean over all classes, weighted by their support."""
        weights = self.support / self.samples
        return Average(*(float(np.sum(weights * value)) for value in (self.precision, self.recall, self.f1)))

    @property
    def calibration_error(self) -> float | None:
        """The expected calibration error."""
        return None if self.calibration is None else self.calibration.expected_error


def measure(outputs: Array, labels: Array, loss: float, *, probabilities: bool = True) -> Metrics:
    """All metrics of `outputs` (n, c) against `labels` (n,); `loss` is passed through.

    The predicted class is the one with the largest output, of equals the first. `probabilities` says
    whether a row of outputs sums to 1, so that it has a calibration.
    """
    predicted = outputs.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, outputs.shape[1])
    hits = np.diag(confusion)
    taken, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return Metrics(
        samples=len(labels),
        loss=loss,
        accuracy=float(np.mean(predicted == labels)),
        top2=top_k_accuracy(outputs, labels, 2),
        confusion=confusion,
        precision=_share(hits, taken),
        recall=_share(hits, support),
        f1=_share(2 * hits, taken + support),
        calibration=calibrate(outputs.max(axis=1), predicted == labels) if probabilities else None,
    )


def confusion_matrix(labels: Array, predicted: Array, classes: int) -> Array:
    """Samples by true class (rows) and predicted class (columns), (c, c)."""
    pairs = labels.astype(np.intp) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def top_k_accuracy(outputs: Array, labels: Array, k: int) -> float:
    """The share of samples whose class is among the k largest outputs; of equals the first class counts."""
    own = outputs[np.arange(len(labels)), labels][:, None]
    before = np.arange(outputs.shape[1]) < labels[:, None]
    ahead = np.sum((outputs > own) | ((outputs == own) & before), axis=1)
    return float(np.mean(ahead < k))


def calibrate(confidence: Array, correct: Array, bins: int = BINS) -> Calibration:
    """The reliability diagram of confidences (n,) in [0, 1] and whether each prediction was right (n,)."""
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    chosen = np.searchsorted(inner_edges, confidence.astype(float))
    count = np.bincount(chosen, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in a bin without samples
        return Calibration(
            count,
            np.bincount(chosen, weights=confidence, minlength=bins) / count,
            np.bincount(chosen, weights=correct, minlength=bins) / count,
        )


def worst_mistakes(outputs: Array, labels: Array, most: int) -> Array:
    """Indices of wrongly classified samples, the most confident first, at most `most`."""
    wrong = np.flatnonzero(outputs.argmax(axis=1) != labels)
    order = np.argsort(-outputs[wrong].max(axis=1), kind="stable")
    worst: Array = wrong[order[:most]]
    return worst


def _share(part: Array, whole: Array) -> Array:
    """part / whole, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


class Running:
    """What evaluation takes in place of the numbers of a batch, by name: mean2, variance2 of the second layer.

    running ← (1 - momentum) running + momentum · statistics of the batch        at every step (`Layer.follow`)

    Only a batch normalisation has some. They are followed in a forward pass of their own, up to the last such layer,
    so that every strategy trains such a network, whatever it computes. A network without any is not looked at.
    """

    def __init__(self, network: Network, dtype: DType) -> None:
        self._network = network
        self.values = {name: value.astype(dtype) for name, value in network.statistics().items()}
        self._last = max((k for k, own in enumerate(network.statistics_names) if own), default=-1)

    def follow(self, params: Parameters, inputs: Array) -> None:
        """Move the statistics towards those of a batch (n, i)."""
        x, local = inputs, self._network.local_statistics(self.values)
        for k, own in enumerate(self._network.local(params)[: self._last + 1]):
            layer = self._network.layers[k]
            if self._network.statistics_names[k]:
                layer.follow(own, x, local[k])
            if k < self._last:
                x = layer.forward(own, x)

    def outputs(self, layers: int, params: Parameters, inputs: Array) -> Array:
        """What the first `layers` layers make of inputs (n, i) after training: of each sample by itself."""
        return self._network.trained(params, inputs, self.values, layers)

    def restore(self, values: Mapping[str, Array]) -> None:
        """Take over the values of a checkpoint."""
        for name, value in self.values.items():
            value[...] = values[name]


CHUNK = 1000
"""Samples of one forward pass, so that little memory is needed: 5 MB in float32 for 784-512-10."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Outputs (n, c) for labels (n,), the mean loss, and whether the outputs are probabilities.

    Of a single output that tells two classes apart there are two: e^(-loss) of either label, such as 1 - y and y.
    """

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


def evaluate(
    network: Network, params: Parameters, images: Array, labels: Array, running: Running | None = None
) -> Evaluation:
    """Run `network` on images, uint8 (n, height, width) or inputs (n, i) of the parameters' dtype, as after training.

    The loss is that of the network's short form, so that it stays exact. `running` are the statistics of training.
    Raises `NetworkError` where the network needs some, as one with batch normalisation does, and none are given.
    """
    if running is None:
        running = Running(network, params.dtype)
        if running.values:
            raise NetworkError(
                f"The network {network} is evaluated without the running statistics {', '.join(running.values)}; "
                "expected those of its training, `trainer.running`."
            )
    short, last = network.short, network.layers[len(network.short.layers) :]
    outputs = np.empty((len(images), network.label_classes), params.dtype)
    total = 0.0
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        x = as_inputs(images[part], params.dtype) if images.dtype == np.uint8 else images[part]
        x = running.outputs(len(short.layers), params, x)
        total += float(short.loss_function.value(x, labels[part])) * len(x)
        for layer in last:
            x = layer.forward({}, x)
        outputs[part] = x if network.label_classes == network.classes else np.exp(-network.label_losses(x))
    shares = network.loss_function.name if network.classes == 1 else network.layers[-1].name
    return Evaluation(outputs, labels, total / len(images), shares in ("softmax", "binary-cross-entropy"))

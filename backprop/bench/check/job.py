"""Job: what is to be checked, on what, as the parent hands it to the child."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backprop.errors import BudgetError

if TYPE_CHECKING:
    import numpy as np

    from backprop import Batch, Network, Parameters
    from backprop.arrays import DType


_SIZES = "784-512-10"
_SOME = 200
"""Digits to choose from, at least: not all that there are, since making digits ready takes time."""


_TIMES_THE_TRUTH = 4
"""What a check takes in all, as a multiple of the true gradient in extended precision: it bounds every entry."""


@dataclass(frozen=True)
class Job:
    """A target `file.py:function` or `package.module:function`, and the point at which it is checked."""

    target: str
    sizes: str
    activation: str
    loss: str
    batch: int
    dtype: str
    seed: int
    weight_decay: float
    threads: int
    rtol: float | None = None
    output: str | None = None
    bias: bool = True
    data: str | None = None
    layout: str | None = None

    def network(self) -> Network:
        """The network; raises as `Network.parse` does."""
        from backprop import Network

        return Network.parse(
            self.sizes, activation=self.activation, loss=self.loss, output=self.output, bias=self.bias
        )

    def sample(
        self, network: Network, rng: np.random.Generator, memory_bytes: float
    ) -> tuple[Parameters, Batch]:
        """Random parameters, biases among them, and a batch: of the user's data, or real digits where they fit.

        Where they do not it is of random numbers. Raises `ShapeError` for a batch that is none, `DataError` where
        the user's data do not fit the network or cannot be read, and `BudgetError` for a network too large for
        `memory_bytes`, before any memory is taken.
        """
        from backprop import units
        from backprop.arrays import check_dtype, check_samples
        from backprop.bench.forecast import harness_bytes
        from backprop.bench.scenarios import Scenario
        from backprop.check.network.door import drawn_parameters
        from backprop.data import load

        dtype = check_dtype(self.dtype)
        needed = _TIMES_THE_TRUTH * harness_bytes(network, check_samples(self.batch), dtype)
        if needed > memory_bytes:
            raise BudgetError(
                f"The check of {network}, batch {self.batch}, needs {units.data_size(needed)}; "
                f"expected to get along with {units.data_size(memory_bytes)}, or a larger --memory-limit."
            )
        params = drawn_parameters(network, rng, dtype)
        if self.data is not None:
            return params, self._own(network, rng, dtype)
        scenario = Scenario.of(network, self.batch, dtype.name)
        dataset = load("sample")
        some = rng.permutation(len(dataset.train_labels))[: max(_SOME, 12 * self.batch)]
        images, labels = dataset.train_images[some], dataset.train_labels[some]
        samples = scenario.samples(replace(dataset, train_images=images, train_labels=labels)).train
        chosen = self._chosen(rng, len(samples.labels))
        return params, network.batch(samples.inputs[chosen], samples.labels[chosen], dtype)

    def _chosen(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Which of so many samples are in the batch; of fewer than it takes some come twice."""
        return (
            rng.permutation(count)[: self.batch]
            if self.batch <= count
            else rng.integers(0, count, self.batch)
        )

    def _own(self, network: Network, rng: np.random.Generator, dtype: DType) -> Batch:
        """A batch of the user's data."""
        from backprop.bench.scenarios import load
        from backprop.data import as_inputs
        from backprop.errors import DataError

        dataset = load(str(self.data))
        images, labels = dataset.train_images, dataset.train_labels
        if dataset.pixels != network.inputs or labels.max() >= network.label_classes:
            raise DataError(
                f"The data {dataset.name} have {dataset.pixels} inputs and {dataset.classes} classes; expected "
                f"{network.inputs} and {network.label_classes}, as the network {network} has."
            )
        chosen = self._chosen(rng, len(labels))
        return network.batch(as_inputs(images[chosen], dtype), labels[chosen], dtype)


def sizes_of(data: str | None) -> str:
    """The network where the user gave none: that of the digits, with the inputs and classes of the data."""
    if data is None:
        return _SIZES
    from backprop.data import load

    dataset, (_, *hidden, _) = load(data), _SIZES.split("-")
    return "-".join([str(dataset.pixels), *hidden, str(dataset.classes)])

"""Job: what is to be checked, on what, as the parent hands it to the child."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backprop.errors import BudgetError

if TYPE_CHECKING:
    import numpy as np

    from backprop import Batch, Network, Parameters


_SOME = 200
"""Digits to choose from, at least; those that are made ready for nothing take time."""


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

    def network(self) -> Network:
        """The network; raises as `Network.parse` does."""
        from backprop import Network

        return Network.parse(
            self.sizes, activation=self.activation, loss=self.loss, output=self.output, bias=self.bias
        )

    def sample(
        self, network: Network, rng: np.random.Generator, memory_bytes: float
    ) -> tuple[Parameters, Batch]:
        """Random parameters, biases among them, and a batch: real digits where they fit, else random numbers.

        Raises `ShapeError` for a batch that is none and
        `BudgetError` for a network too large for `memory_bytes`, before any memory is taken.
        """
        from backprop.arrays import check_dtype, check_samples
        from backprop.bench.forecast import harness_bytes
        from backprop.bench.report import units
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
        scenario = Scenario.of(network, self.batch, dtype.name)
        dataset = load("sample")
        some = rng.permutation(len(dataset.train_labels))[: max(_SOME, 12 * self.batch)]
        images, labels = dataset.train_images[some], dataset.train_labels[some]
        samples = scenario.samples(replace(dataset, train_images=images, train_labels=labels)).train
        chosen = rng.permutation(len(samples.labels))[: self.batch]
        if len(chosen) < self.batch:  # more than there are: some come twice
            chosen = rng.integers(0, len(samples.labels), self.batch)
        return params, network.batch(samples.inputs[chosen], samples.labels[chosen], dtype)

"""The scenarios: the table network x batch x dtype, on real digits.

A new scenario is a new line of `SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backprop import Batch, Network, Parameters
from backprop.arrays import Array, DType
from backprop.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    from backprop.data import Dataset

SEED = 2026
"""Of the parameters and of the choice of samples; the same for every strategy."""


class Samples(NamedTuple):
    """A scenario's data: shuffled training samples and all test samples, inputs (n, i) and labels (n,)."""

    train: Batch
    test: Batch


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    pooled_to: the images are averaged to that many pixels a side; None leaves them as they are.
    digits: only these digits are used, and they become the classes 0, 1, …
    learning_steps, learning_rate: of the gradient descent that leads to the test accuracy; as many steps
    as the slowest strategy that fits can take in a few seconds.
    """

    name: str
    network: Network
    batch_size: int
    dtype_name: str = "float64"
    pooled_to: int | None = None
    digits: tuple[int, ...] = tuple(range(10))
    learning_steps: int = 5
    learning_rate: float = 0.5

    @property
    def dtype(self) -> DType:
        """The dtype of parameters and inputs."""
        return np.dtype(self.dtype_name)

    @property
    def id(self) -> str:
        """Name and dtype, such as `mnist-32/float64`: unique in the table."""
        return f"{self.name}/{self.dtype_name}"

    def init(self) -> Parameters:
        """The parameters that every strategy starts from."""
        return self.network.init(np.random.default_rng(SEED), self.dtype)

    def samples(self, dataset: Dataset) -> Samples:
        """The data set in this scenario's form; raises `DataError` where an image has another size."""
        shuffled = np.random.default_rng(SEED).permutation(len(dataset.train_labels))
        return Samples(
            self._batch(dataset.train_images[shuffled], dataset.train_labels[shuffled]),
            self._batch(dataset.test_images, dataset.test_labels),
        )

    def _batch(self, images: Array, labels: Array) -> Batch:
        from backprop.data import as_inputs, pool

        wanted = np.isin(labels, self.digits)
        images, labels = images[wanted], np.searchsorted(self.digits, labels[wanted])
        if self.pooled_to is not None:
            images = pool(images, self.pooled_to, self.dtype)
        else:
            images = as_inputs(images, self.dtype)
        if images.shape[1] != self.network.inputs:
            raise DataError(
                f"The images have {images.shape[1]} pixels; "
                f"expected {self.network.inputs} for the scenario {self.name}."
            )
        return self.network.batch(images, labels, self.dtype)


_TOY = Network.mlp(4, 3, 2)
_SMALL = Network.mlp(49, 32, 10)
_MNIST = Network.mlp(784, 512, 10)
_DEEP = Network.mlp(784, 128, 64, 10, activation="tanh")

SCENARIOS = (
    Scenario("toy", _TOY, 8, pooled_to=2, digits=(0, 1), learning_steps=200),
    Scenario("small", _SMALL, 32, pooled_to=7, learning_steps=30),
    Scenario("deep", _DEEP, 32, learning_steps=20),
    *(
        Scenario(f"mnist-{n}", _MNIST, n, dtype, learning_steps=steps)
        for n, steps in ((1, 20), (32, 5), (128, 3))
        for dtype in ("float64", "float32")
    ),
)


def select_scenarios(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, in the order of the table; all where no name is given.

    `mnist` means all whose name begins so, `mnist-32` both dtypes, `mnist-32/float32` one. Raises
    `UnknownNameError` for a name that means none.
    """
    chosen = {scenario.id for name in names for scenario in _meant_by(name)}
    return [scenario for scenario in SCENARIOS if not names or scenario.id in chosen]


def _meant_by(name: str) -> list[Scenario]:
    meant = [s for s in SCENARIOS if name in (s.id, s.name, s.name.partition("-")[0])]
    if not meant:
        raise UnknownNameError("scenario", name, dict.fromkeys(s.name for s in SCENARIOS))
    return meant

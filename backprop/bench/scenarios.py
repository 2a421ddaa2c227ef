"""A scenario: network, batch and dtype, on real digits where they fit. The table of them is a suite's file."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backprop import Batch, Network, Parameters, data
from backprop.arrays import Array, DType
from backprop.data import Dataset, as_inputs, pool
from backprop.errors import DataError, UnknownNameError
from backprop.notation import NETWORKS

_PIXELS = 28  # a side of the images
_SYNTHETIC_DENSITY = 0.2  # a fifth of the pixels of a digit are not zero

SEED = 2026
"""The seed of the parameters and of the choice of samples; it is the same for every strategy."""


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
    threads: of the numerical libraries; None leaves the choice to the run.
    synthetic: random inputs, as sparse as digits are, for a network that no size of the images fits.
    """

    name: str
    network: Network
    batch_size: int
    dtype_name: str = "float64"
    pooled_to: int | None = None
    digits: tuple[int, ...] = tuple(range(10))
    learning_steps: int = 5
    learning_rate: float = 0.5
    threads: int | None = None
    synthetic: bool = False

    @property
    def dtype(self) -> DType:
        """The dtype of parameters and inputs."""
        return np.dtype(self.dtype_name)

    @property
    def id(self) -> str:
        """Name and dtype, such as `mnist-32/float64`: unique in the table."""
        return f"{self.name}/{self.dtype_name}"

    @property
    def family(self) -> str:
        """The name without what follows its first hyphen: `mnist` for `mnist-32`."""
        return self.name.partition("-")[0]

    def init(self) -> Parameters:
        """The parameters that every strategy starts from."""
        return self.network.init(np.random.default_rng(SEED), self.dtype)

    def samples(self, dataset: Dataset) -> Samples:
        """The data set in this scenario's form; raises `DataError` where an image has another size."""
        if self.synthetic:
            return self._synthetic_samples()
        shuffled = np.random.default_rng(SEED).permutation(len(dataset.train_labels))
        return Samples(
            self._batch(dataset.train_images[shuffled], dataset.train_labels[shuffled]),
            self._batch(dataset.test_images, dataset.test_labels),
        )

    def check(self, dataset: Dataset) -> None:
        """Raise `DataError` where `samples` would, or where none of the digits is there; makes no samples."""
        if self.synthetic:
            return
        size, side = dataset.train_images.shape[1:], self.pooled_to
        if side is not None and (len(size) != 2 or size[0] % side or size[1] % side):
            raise DataError(
                f"The images of {dataset.name} are {' x '.join(map(str, size))}; "
                f"expected multiples of {side} for the scenario {self.name}, or a suite of your own with a network "
                f"of {dataset.pixels} inputs (--suite file.toml)."
            )
        self._check_pixels(dataset.pixels if side is None else side * side)
        for labels in (dataset.train_labels, dataset.test_labels):
            if not np.isin(labels, self.digits).any():
                raise DataError(
                    f"The labels of {dataset.name} have none of the classes of the scenario {self.name}; "
                    f"expected some of {', '.join(map(str, self.digits))}."
                )

    def _check_pixels(self, pixels: int) -> None:
        if pixels != self.network.inputs:
            raise DataError(
                f"The images have {pixels} pixels; expected {self.network.inputs} for the scenario {self.name}, or a "
                f"suite of your own with a network of {pixels} inputs (run --suite file.toml)."
            )

    @classmethod
    def of(cls, network: Network, batch_size: int, dtype_name: str, threads: int | None = None) -> Scenario:
        """The scenario of any network: on digits where they fit, pooled if need be, else on random numbers."""
        side = math.isqrt(network.inputs)
        square = side * side == network.inputs and _PIXELS % side == 0
        digits = square and network.label_classes <= 10
        return cls(
            name=f"{short_name(network)}-batch-{batch_size}" + (f"-threads-{threads}" if threads else ""),
            network=network,
            batch_size=batch_size,
            dtype_name=dtype_name,
            pooled_to=side if digits and side < _PIXELS else None,
            digits=tuple(range(min(network.label_classes, 10))),
            threads=threads,
            synthetic=not digits,
        )

    def to_json(self) -> dict[str, Any]:
        """What another process needs to make this scenario again; the network must be an MLP."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "network"}
        network = self.network
        return values | {
            "network": network.text,
            "loss": network.loss_function.name,
            "bias": any("b" in own for own in network.names),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Scenario:
        """The scenario that `to_json` described."""
        rest = dict(values)
        network = Network.parse(rest.pop("network"), loss=rest.pop("loss"), bias=rest.pop("bias"))
        return cls(network=network, **rest | {"digits": tuple(rest["digits"])})

    def _synthetic_samples(self) -> Samples:
        """Uniform numbers, four fifths of them zero, and random labels."""
        rng = np.random.default_rng(SEED)

        def batch(n: int) -> Batch:
            inputs = rng.random((n, self.network.inputs), dtype=np.float32)
            inputs *= rng.random((n, self.network.inputs), dtype=np.float32) < _SYNTHETIC_DENSITY
            inputs = self.network.layers[0].fitting(inputs.astype(self.dtype, copy=False))
            return Batch(inputs, rng.integers(0, self.network.label_classes, n))

        return Samples(batch(max(self.batch_size, 2)), batch(100))

    def _batch(self, images: Array, labels: Array) -> Batch:
        wanted = np.isin(labels, self.digits)
        images, labels = images[wanted], np.searchsorted(self.digits, labels[wanted])
        if self.pooled_to is not None:
            images = pool(images, self.pooled_to, self.dtype)
        else:
            images = as_inputs(images, self.dtype)
        self._check_pixels(images.shape[1])
        return self.network.batch(self.network.layers[0].fitting(images), labels, self.dtype)


def short_name(network: Network) -> str:
    """The name of a known network, else the sizes."""
    text = network.text
    return text if text in NETWORKS else network.sizes


def select_scenarios(names: Sequence[str], among: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios of these names, in the order of `among`; all where no name is given.

    `mnist` means all whose name begins so, `mnist-32` both dtypes, `mnist-32/float32` one. Raises
    `UnknownNameError` for a name that means none.
    """
    chosen = {scenario.id for name in names for scenario in _meant_by(name, among)}
    return [scenario for scenario in among if not names or scenario.id in chosen]


def _meant_by(name: str, among: Sequence[Scenario]) -> list[Scenario]:
    meant = [s for s in among if name in (s.id, s.name, s.family)]
    if not meant:
        raise UnknownNameError("scenario", name, {known for s in among for known in (s.name, s.family)})
    return meant


def load(source: str | Path) -> Dataset:
    """`backprop.data.load`; the notes of the set are printed."""
    dataset = data.load(source)
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)
    return dataset

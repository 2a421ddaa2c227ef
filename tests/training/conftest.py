"""A small data set for the tests of training: the shipped sample, pooled to 7 x 7 for a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backprop.data import Dataset, load, pool
from backprop.training import Settings, Trainer

SMALL = {"network": "49-32-10", "batch_size": 32, "dtype": "float64", "learning_rate": 0.05, "shift": 0}


@pytest.fixture(scope="session")
def sample():
    return load("sample")


@pytest.fixture(scope="session")
def small(sample):
    """Inputs (500, 49) in float64 and their labels."""
    return pool(sample.train_images[:500], 7, np.float64), sample.train_labels[:500]


@pytest.fixture
def make_trainer(small):
    """A trainer on the small data; keywords are settings."""

    def make(**settings) -> Trainer:
        return Trainer(Settings(**{**SMALL, **settings}), *small)

    return make


@pytest.fixture
def tiny_folder(tmp_path) -> Path:
    """A folder of IDX files of 6 x 5 pixels, 200 training and 50 test images: no MNIST."""
    from backprop.data.idx import write_idx

    dataset = tiny_dataset()
    folder = tmp_path / "tiny"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte", dataset.train_images)
    write_idx(folder / "train-labels-idx1-ubyte", dataset.train_labels)
    write_idx(folder / "t10k-images-idx3-ubyte", dataset.test_images)
    write_idx(folder / "t10k-labels-idx1-ubyte", dataset.test_labels)
    return folder


def tiny_dataset() -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(250, dtype=np.uint8) % 10
    images = rng.integers(0, 40, (250, 6, 5)).astype(np.uint8)
    images[np.arange(250), labels % 6, labels % 5] = 255
    return Dataset(images[:200], labels[:200], images[200:], labels[200:], classes=10, name="tiny")

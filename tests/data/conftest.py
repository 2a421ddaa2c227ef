"""What the tests of the data package share: where the originals are, and a tiny set in their format."""

import os
from pathlib import Path

import numpy as np
import pytest

from backprop.data import mnist
from backprop.data.idx import write_idx

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_data_folder_of_the_user(monkeypatch):
    """A test that wants BACKPROP_DATA sets it."""
    monkeypatch.delenv("BACKPROP_DATA", raising=False)


USERS_DATA = os.environ.get("BACKPROP_DATA")


@pytest.fixture(scope="session")
def originals():
    """The folder of the four original files; tests that need it are skipped where it is not."""
    folder = Path(USERS_DATA) if USERS_DATA else ROOT / ".." / "shared" / "mnist"
    if not folder.is_dir():
        pytest.skip("the original MNIST is not here")
    return folder


@pytest.fixture
def tiny_arrays():
    """Four arrays in the order of `mnist.ORIGINALS`: 12 training and 5 test images of 4 x 4."""
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (12, 4, 4), dtype=np.uint8),
        rng.integers(0, 10, 12, dtype=np.uint8),
        rng.integers(0, 256, (5, 4, 4), dtype=np.uint8),
        rng.integers(0, 10, 5, dtype=np.uint8),
    ]


@pytest.fixture
def tiny_folder(tmp_path, tiny_arrays):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file, array in zip(mnist.ORIGINALS, tiny_arrays, strict=True):
        write_idx(folder / file.name, array)
    return folder

"""The small real sample of MNIST that is shipped inside the package: 5,000 training and 1,000 test images.

It holds the first 500 training and the first 100 test images of each class, in their original order, so that every
command works without a network. SAMPLE-LICENSE.md, beside it, has its terms; tools/make_sample.py makes it again.
"""

from __future__ import annotations

from importlib.resources import files
from typing import IO

import numpy as np

from backprop.data.dataset import Dataset
from backprop.errors import DataError
from backprop.npz import exactly, read_npz

CLASSES = 10
TRAIN_EACH = 500
TEST_EACH = 100

_SHAPES = {
    "train_images": (CLASSES * TRAIN_EACH, 28, 28),
    "train_labels": (CLASSES * TRAIN_EACH,),
    "test_images": (CLASSES * TEST_EACH, 28, 28),
    "test_labels": (CLASSES * TEST_EACH,),
}


def load_sample() -> Dataset:
    """The shipped sample; raises `DataError` where the installed file is missing or damaged."""
    try:
        with files("backprop.data").joinpath("sample.npz").open("rb") as file:
            return read_sample(file)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"The sample of MNIST cannot be read: got {str(reason)!r}, "
            "expected the file sample.npz inside the installed package."
        ) from error


def read_sample(file: IO[bytes]) -> Dataset:
    """Read a sample from an open .npz file, without unpickling and without trusting its headers.

    Raises `DataError` for a damaged archive, or one that holds other arrays than the sample.
    """
    byte = np.dtype(np.uint8)
    arrays = read_npz(file, "The sample of MNIST", lambda name: exactly(_SHAPES[name], byte), list(_SHAPES))
    return Dataset(*(arrays[name] for name in _SHAPES), classes=CLASSES, name="sample")

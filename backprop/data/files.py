"""Data sets that are one file: Keras' mnist.npz, and Kaggle's train.csv or a pair of such tables.

mnist.npz                           x_train, y_train, x_test, y_test
train.csv                           label, pixel0, pixel1, … with or without these names; it is split
mnist_train.csv, mnist_test.csv     both have labels: the other is found by its name
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop.data.dataset import Dataset
from backprop.data.forms import Part, dataset_of, image_shape
from backprop.errors import DataError
from backprop.npz import of_numbers, read_npz

_KERAS = ("x_train", "y_train", "x_test", "y_test")
_TEST_EVERY = 6
"""Every sixth row of a single table is a test sample; in MNIST it is every seventh."""

SUFFIXES = (".npz", ".csv", ".csv.gz")


def is_data_file(path: Path) -> bool:
    """Whether a path has the name of such a file and is one."""
    return path.name.casefold().endswith(SUFFIXES) and path.is_file()


def read_file(path: Path) -> Dataset:
    """Read a set from one file, named after it; raises `DataError` for a file of another content."""
    if path.name.casefold().endswith(".npz"):
        arrays = read_npz(path, f"The file {path}", lambda _: of_numbers, _KERAS)
        train, test = (
            Part(arrays[f"x_{part}"], arrays[f"y_{part}"], f"{path}, {part}") for part in ("train", "test")
        )
        return dataset_of(train, test, path.stem)
    return _read_tables(path)


def _read_tables(path: Path) -> Dataset:
    name = path.name.split(".")[0]
    labels, images = _read_table(path)
    other = path.with_name(path.name.replace("train", "test", 1))
    if other != path and other.is_file():
        try:
            test_labels, test_images = _read_table(other)
        except DataError:  # Kaggle's test.csv has no labels
            pass
        else:
            note = f"The test images are those of {other.name}."
            return dataset_of(
                Part(images, labels, str(path)), Part(test_images, test_labels, str(other)), name, [note]
            )
    if len(labels) < _TEST_EVERY:
        raise DataError(
            f"The table {path} has {len(labels)} rows; expected at least {_TEST_EVERY}, to be split."
        )
    is_test = np.arange(len(labels)) % _TEST_EVERY == _TEST_EVERY - 1
    count = int(is_test.sum())
    note = f"{path.name} was split: every sixth image, {count:,} of {len(labels):,}, is a test image."
    train = Part(images[~is_test], labels[~is_test], str(path))
    return dataset_of(train, Part(images[is_test], labels[is_test], str(path)), name, [note])


def _read_table(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Labels (n,) and images of a table of numbers; its first column, or the one named label, holds the labels."""
    import pandas as pd  # slow to import

    try:
        first = pd.read_csv(path, header=None, nrows=1, dtype=str)
        has_names = bool(pd.to_numeric(first.iloc[0].dropna(), errors="coerce").isna().any())
        table = pd.read_csv(path, header=0 if has_names else None)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"The table {path} cannot be read: got {said!r}, expected rows of numbers."
        ) from error
    names = [str(name).strip().casefold() for name in table.columns]
    if has_names and "label" not in names:
        raise DataError(
            f"The table {path} has no labels: got the columns {', '.join(names[:3])}, …, expected label, pixel0, "
            "pixel1, …, as Kaggle's train.csv has them."
        )
    place = names.index("label") if has_names else 0
    kinds = {dtype.kind for dtype in table.dtypes}
    if not kinds <= set("iuf") or bool(table.isna().to_numpy().any()):
        raise DataError(f"The table {path} holds text or empty cells; expected a number in each.")
    values = table.to_numpy()
    pixels = np.delete(values, place, axis=1)
    shape = image_shape(pixels.shape[1], f"The table {path} has, beside the label,")
    return values[:, place], pixels.reshape(len(pixels), *shape)

"""A labelled set of images, and the two ways in which images become the inputs (n, i) of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop.arrays import check_dtype
from backprop.errors import DataError, DtypeError, ShapeError

__all__ = ["Dataset", "as_inputs", "pool"]

_WHITE = 255  # the largest grey level of a uint8 image; it becomes the input 1


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test images with their labels, checked against each other when it is made.

    Attributes:
        train_images: grey levels 0 to 255, uint8, (n, height, width).
        train_labels: class numbers, uint8, (n,).
        test_images: as `train_images`, with the same height and width.
        test_labels: as `train_labels`.
        classes: how many classes there are; every label is below it.
        name: what reports call the set, e.g. `mnist`.

    Raises:
        DataError: an array of another type or shape, an empty one, counts that differ, or a label that
            is no class.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    classes: int
    name: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            _check_array(images, 3, f"{part} images of {self.name}")
            _check_array(labels, 1, f"{part} labels of {self.name}")
            if len(labels) != len(images):
                raise DataError(
                    f"The {part} images and labels of {self.name} do not pair up: "
                    f"got {len(labels)} labels, expected {len(images)}, one for each image."
                )
            if labels.max() >= self.classes:
                raise DataError(
                    f"The {part} labels of {self.name} hold a number that is no class: "
                    f"got {labels.max()}, expected 0 to {self.classes - 1}."
                )
        if self.test_images.shape[1:] != self.train_images.shape[1:]:
            raise DataError(
                f"The test images of {self.name} have another size than the training images: "
                f"got {_size(self.test_images)}, expected {_size(self.train_images)}."
            )

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name}: {len(self.train_images)} training and {len(self.test_images)} test "
            f"images of {_size(self.train_images)}, {self.classes} classes>"
        )


def as_inputs(images: npt.NDArray[np.uint8], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Images as the inputs of a network: flattened, and scaled from 0..255 to [0, 1].

    The quotients are formed in `dtype` itself, so each is the number of that dtype nearest to level/255,
    and no float64 copy is made on the way to float32.

    Args:
        images: uint8, (n, height, width).
        dtype: float32 or float64.

    Returns:
        A new C-contiguous array (n, i) of `dtype`, i = height · width, row by row.

    Raises:
        ShapeError: images that are not three-dimensional.
        DtypeError: images that are not uint8, or another dtype asked for.
    """
    wanted = check_dtype(dtype)
    _check_images(images)
    count, height, width = images.shape
    inputs = np.empty((count, height * width), dtype=wanted)
    np.true_divide(images.reshape(inputs.shape), wanted.type(_WHITE), out=inputs, dtype=wanted)
    return inputs


def pool(images: npt.NDArray[np.uint8], size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Average-pool images to `size` x `size` pixels, as the inputs of a small network.

    Every pixel is the mean of a block of height/size x width/size: the block's exact integer sum, divided
    once, in `dtype`.

    Args:
        images: uint8, (n, height, width).
        size: height and width of the result in pixels; it divides those of the images (7 for 28 x 28).
        dtype: float32 or float64.

    Returns:
        A new C-contiguous array (n, i) of `dtype` in [0, 1], i = size · size, row by row.

    Raises:
        ShapeError: images that are not three-dimensional, or a size that does not divide theirs.
        DtypeError: images that are not uint8, or another dtype asked for.
    """
    wanted = check_dtype(dtype)
    _check_images(images)
    count, height, width = images.shape
    if size < 1 or height % size or width % size:
        raise ShapeError(
            f"Images cannot be pooled to this size: got {size}, "
            f"expected a divisor of their height and width, {height} x {width}."
        )
    rows, columns = height // size, width // size
    # The rows of a block first: added along memory, and far faster than both axes at once.
    sums = images.reshape(count, size, rows, width).sum(axis=2, dtype=np.uint32)
    sums = sums.reshape(count, size, size, columns).sum(axis=3, dtype=np.uint32)
    inputs = np.empty((count, size * size), dtype=wanted)
    np.true_divide(sums.reshape(inputs.shape), wanted.type(_WHITE * rows * columns), out=inputs, dtype=wanted)
    return inputs


def _check_array(array: npt.NDArray[Any], dimensions: int, name: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(f"The {name} have the wrong type: got {array.dtype}, expected uint8.")
    if array.ndim != dimensions or 0 in array.shape:
        expected = "(n, height, width)" if dimensions == 3 else "(n,)"
        raise DataError(
            f"The {name} have the wrong shape: got {array.shape}, expected {expected} with no size 0."
        )


def _check_images(images: npt.NDArray[Any]) -> None:
    if images.dtype != np.uint8:
        raise DtypeError(f"Images have the wrong dtype: got {images.dtype}, expected uint8.")
    if images.ndim != 3:
        raise ShapeError(f"Images have the wrong shape: got {images.shape}, expected (n, height, width).")


def _size(images: npt.NDArray[np.uint8]) -> str:
    return f"{images.shape[1]} x {images.shape[2]}"

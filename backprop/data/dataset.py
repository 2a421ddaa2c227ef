"""A labelled set of images, and the two ways in which images become the inputs (n, i) of a network."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop.arrays import DType, check_dtype
from backprop.errors import DataError, DtypeError, ShapeError

WHITE = 255
"""The largest grey level of a uint8 image; it becomes the input 1."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test images with their labels, checked against each other when it is made.

    train_images, test_images: grey levels 0 to 255, uint8 (n, height, width), or in colour (n, height, width, 3).
    train_labels, test_labels: class numbers, uint8 (n,), all below `classes`. name: what reports call the set, such
    as `mnist`. notes: what was done with the files beyond reading them, in sentences.

    Raises `DataError` for an array of another type or shape, an empty one, counts that differ, or a label that is
    no class.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    _: KW_ONLY
    classes: int
    name: str
    notes: tuple[str, ...] = ()

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

    @property
    def pixels(self) -> int:
        """The numbers of an image, and so the inputs of a network: height · width, times 3 in colour."""
        return math.prod(self.train_images.shape[1:])

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name}: {len(self.train_images)} training and {len(self.test_images)} test "
            f"images of {_size(self.train_images)}, {self.classes} classes>"
        )


def as_inputs(images: npt.NDArray[np.uint8], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Images, uint8 (n, height, width), as inputs (n, i) of a network in [0, 1]; i = height · width, row by row.

    Images in colour (n, height, width, 3) have three inputs for each pixel.

    The result is a new C-contiguous array of `dtype`, float32 or float64. The quotients are formed in that dtype, so
    each is its number nearest to level/255. Raises `ShapeError` or `DtypeError` for other images or another dtype.
    """
    wanted = check_dtype(dtype)
    _check_images(images, (3, 4))
    return _scaled(images, wanted, WHITE)


def pool(images: npt.NDArray[np.uint8], size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Average-pool images to `size` x `size` pixels, as inputs (n, i) of a small network; i = size · size.

    Every pixel is the mean of a block of height/size x width/size: the block's exact integer sum, divided once, in
    `dtype`. `size` divides the height and the width (7 for 28 x 28), or `ShapeError` is raised; for the rest see
    `as_inputs`.
    """
    wanted = check_dtype(dtype)
    _check_images(images, (3,))
    count, height, width = images.shape
    if size < 1 or height % size or width % size:
        raise ShapeError(
            f"Images cannot be pooled to this size: got {size}, "
            f"expected a divisor of their height and width, {height} x {width}."
        )
    rows, columns = height // size, width // size
    # The rows of a block first: they are added along memory, which is far faster than both axes at once.
    sums = images.reshape(count, size, rows, width).sum(axis=2, dtype=np.uint32)
    sums = sums.reshape(count, size, size, columns).sum(axis=3, dtype=np.uint32)
    return _scaled(sums, wanted, WHITE * rows * columns)


def _scaled(levels: npt.NDArray[Any], dtype: DType, white: int) -> npt.NDArray[Any]:
    """levels (n, …) / white as a new array (n, i); no float64 copy is made on the way to float32."""
    inputs = np.empty((len(levels), math.prod(levels.shape[1:])), dtype=dtype)
    np.true_divide(levels.reshape(inputs.shape), dtype.type(white), out=inputs, dtype=dtype)
    return inputs


def _check_array(array: npt.NDArray[Any], dimensions: int, name: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(f"The {name} have the wrong type: got {array.dtype}, expected uint8.")
    in_colour = dimensions == 3 and array.ndim == 4
    if (array.ndim != dimensions and not in_colour) or 0 in array.shape:
        expected = "(n, height, width)" if dimensions == 3 else "(n,)"
        raise DataError(
            f"The {name} have the wrong shape: got {array.shape}, expected {expected} with no size 0."
        )


def _check_images(images: npt.NDArray[Any], dimensions: tuple[int, ...]) -> None:
    if images.dtype != np.uint8:
        raise DtypeError(f"Images have the wrong dtype: got {images.dtype}, expected uint8.")
    if images.ndim not in dimensions:
        raise ShapeError(f"Images have the wrong shape: got {images.shape}, expected (n, height, width).")


def _size(images: npt.NDArray[np.uint8]) -> str:
    return " x ".join(map(str, images.shape[1:]))

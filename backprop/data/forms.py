"""Forms: images and labels of files as grey levels 0 to 255 and class numbers from 0, with notes of what was changed.

images    whole numbers 0 to 255; floating-point numbers 0 to 1 or 0 to 255, rounded to levels
          (n, height, width), with 1 or 3 channels after or before these; (n, pixels) of square images
labels    whole numbers (n,); (n, 1); one-hot (n, classes); of QMNIST the first of eight columns
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop.data.dataset import WHITE, Dataset
from backprop.errors import DataError

_FEWEST_CLASSES = 10
"""The classes of MNIST and of the sets that replace it: a folder has all of them, even if some digits are missing."""


_COLOURS = 3
_CHANNELS = (1, _COLOURS)


class Part(NamedTuple):
    """Training or test samples as they were read; `where` is what a message calls them."""

    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    where: str


def dataset_of(
    train: Part, test: Part, name: str, notes: Sequence[str] = (), *, from_one: bool = False
) -> Dataset:
    """The data set of both parts; `notes` and what is done here are in its notes.

    from_one: whether the labels are known to begin at 1. Raises `DataError` for what is no image or no label.
    """
    said = list(notes)
    scale = max(float(np.max(part.images, initial=0)) for part in (train, test))
    images = [_levels(part, scale, said) for part in (train, test)]
    labels = [_class_numbers(part, said) for part in (train, test)]
    largest = max(int(np.max(each, initial=0)) for each in labels)
    if from_one or _begin_at_one(labels, largest):
        labels = [each - 1 for each in labels]
        said.append(f"The labels 1 to {largest} became the classes 0 to {largest - 1}.")
        largest -= 1
    for part, each in zip((train, test), labels, strict=True):
        if each.size and (each.min() < 0 or each.max() > WHITE):
            worst = each.min() if each.min() < 0 else each.max()
            raise DataError(f"The labels of {part.where} hold {worst}; expected classes from 0 to {WHITE}.")
    classes = max(_FEWEST_CLASSES, largest + 1)
    train_labels, test_labels = (each.astype(np.uint8) for each in labels)
    return Dataset(
        images[0],
        train_labels,
        images[1],
        test_labels,
        classes=classes,
        name=name,
        notes=tuple(dict.fromkeys(said)),
    )


def _levels(part: Part, scale: float, said: list[str]) -> npt.NDArray[np.uint8]:
    """Images as uint8 (n, height, width) or (n, height, width, 3)."""
    images = part.images
    if images.ndim == 2:
        images = images.reshape(
            len(images), *image_shape(images.shape[1], f"The images of {part.where} have")
        )
    if images.ndim == 4 and images.shape[1] in _CHANNELS and images.shape[3] not in _CHANNELS:
        images = np.ascontiguousarray(np.moveaxis(images, 1, 3))
        if images.shape[3] > 1:
            said.append("The channels of the images came first; they were put last.")
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != _COLOURS):
        raise DataError(
            f"The images of {part.where} have the shape {images.shape}; expected (n, height, width), or "
            "(n, height, width, 3) in colour."
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "iuf" or not np.all(np.isfinite(images)):
        what = images.dtype if images.dtype.kind not in "iuf" else "NaN or infinity"
        raise DataError(f"The images of {part.where} are {what}; expected finite numbers.")
    lowest, highest = float(images.min(initial=0)), float(images.max(initial=0))
    if lowest < 0 or highest > WHITE:
        raise DataError(
            f"The images of {part.where} go from {lowest:g} to {highest:g}; expected 0 to 255, or 0 to 1: undo their "
            "normalisation."
        )
    if images.dtype.kind == "f":
        factor = WHITE if scale <= 1 else 1
        wide = images.astype(np.float64) * factor
        levels = np.floor(wide + 0.5)
        if np.max(np.abs(levels - wide), initial=0) > 1e-3:
            said.append("The images were rounded to 256 levels of grey.")
        return levels.astype(np.uint8)
    return images.astype(np.uint8)


def _class_numbers(part: Part, said: list[str]) -> npt.NDArray[np.int64]:
    """Labels as whole numbers (n,)."""
    labels = part.labels
    if _is_one_hot(labels):
        said.append("The labels were one-hot.")
        labels = labels.argmax(axis=1)
    if labels.ndim == 2 and labels.shape[1] > 1:
        said.append(f"The labels are the first of {labels.shape[1]} columns.")
    if labels.ndim == 2:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"The labels of {part.where} have the shape {labels.shape}; expected (n,).")
    if labels.dtype.kind not in "iuf" or not np.array_equal(labels, np.rint(labels)):
        raise DataError(f"The labels of {part.where} are {labels.dtype}; expected whole numbers.")
    return labels.astype(np.int64)


def _is_one_hot(labels: npt.NDArray[Any]) -> bool:
    """Whether every row (n, classes) has a single 1 and is 0 elsewhere."""
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "iufb" or not len(labels):
        return False
    return bool(np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(axis=1) == 1))


def image_shape(pixels: int, what: str) -> tuple[int, ...]:
    """The shape of a square image, grey or in colour. Raises `DataError`, which begins with `what`, if none fits."""
    for channels in _CHANNELS:
        side = math.isqrt(pixels // channels)
        if side and side * side * channels == pixels:
            return (side, side) if channels == 1 else (side, side, channels)
    raise DataError(f"{what} {pixels} pixels a row; expected those of a square image, such as 784.")


def _begin_at_one(labels: Sequence[npt.NDArray[np.int64]], largest: int) -> bool:
    """Whether classes are counted from 1: no label is 0, and every other up to the largest, beyond 9, is there."""
    seen = np.unique(np.concatenate(list(labels)))
    return largest >= _FEWEST_CLASSES and np.array_equal(seen, np.arange(1, largest + 1))

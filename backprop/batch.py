"""A batch: samples that have been checked against a network, once, before any strategy sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from backprop.arrays import Array, DType
from backprop.errors import DtypeError, LabelError, NonFiniteError, ShapeError


class Batch(NamedTuple):
    """Samples that have been checked against a network: inputs (n, i) and labels (n,)."""

    inputs: Array
    labels: Array


def check_batch(inputs: ArrayLike, labels: ArrayLike, width: int, label_classes: int, dtype: DType) -> Batch:
    """The samples of a network with `width` inputs.

    Raises `ShapeError` for shapes that do not fit or an empty batch, `DtypeError` for inputs that
    are not of `dtype` or labels that are not integers, `LabelError` for labels that are no class,
    and `NonFiniteError` for NaN or infinity in the inputs.
    """
    x, y = _as_array("inputs", inputs), _as_array("labels", labels)
    if x.ndim != 2 or x.shape[1] != width:
        raise ShapeError(f"The inputs have shape {x.shape}; expected (n, {width}).")
    if len(x) == 0:
        raise ShapeError("The batch is empty; expected at least one sample.")
    if y.shape != (len(x),):
        raise ShapeError(f"The labels have shape {y.shape}; expected ({len(x)},), one per sample.")
    if x.dtype != dtype:
        raise DtypeError(
            f"The inputs are {x.dtype}; expected {dtype.name} like the parameters: nothing is "
            "converted silently."
        )
    if not np.issubdtype(y.dtype, np.integer):
        raise DtypeError(f"The labels are {y.dtype.name}; expected integers, the class numbers.")
    outside = np.flatnonzero((y < 0) | (y >= label_classes))
    if len(outside):
        k = int(outside[0])
        raise LabelError(f"Label {y[k]} of sample {k} is no class; expected 0 to {label_classes - 1}.")
    finite = np.isfinite(x)
    if not finite.all():
        n, i = (int(k) for k in np.argwhere(~finite)[0])
        raise NonFiniteError(f"Input {i} of sample {n} is {x[n, i]}; expected finite numbers.")
    return Batch(x, y)


def _as_array(kind: str, values: ArrayLike) -> Array:
    """`np.asarray`, or `ShapeError` where the rows are of unequal length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ShapeError(
            f"The {kind} are a {type(values).__name__} of unequal rows; expected an array."
        ) from error

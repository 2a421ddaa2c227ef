"""Arrays: the supported dtypes, and buffers that start on a cache line.

NumPy guarantees 16 bytes of alignment. Where a buffer happens to start then changes the speed of the
same code by some per cent from one process to the next, so every buffer that is reused starts at a
multiple of 64 bytes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backprop.errors import DtypeError, ShapeError, shown

Array = NDArray[Any]
DType = np.dtype[Any]

ALIGNMENT_BYTES = 64
MOST_ENTRIES = 2**31 - 1
"""The most entries of an axis: beyond them the libraries below NumPy count wrong."""
SUPPORTED_DTYPES = ("float32", "float64")


def check_dtype(dtype: DTypeLike) -> DType:
    """The NumPy dtype meant by `dtype`; raises `DtypeError` unless it is float32 or float64."""
    try:
        checked = np.dtype(dtype)
    except Exception:  # NumPy raises any of five kinds for what is no dtype
        checked = None
    if checked is None or checked.name not in SUPPORTED_DTYPES or not checked.isnative:
        raise DtypeError(f"The dtype is {shown(dtype)}; expected one of {', '.join(SUPPORTED_DTYPES)}.")
    return checked


def check_samples(n: int) -> int:
    """The number of samples of a batch; raises `ShapeError` for none, or more than an axis may have."""
    if not 1 <= n <= MOST_ENTRIES:
        raise ShapeError(
            f"The batch is {shown(n)}; expected at least one sample and at most {MOST_ENTRIES:,}."
        )
    return n


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An uninitialised C-contiguous array whose first element lies on a 64-byte boundary.

    An array of objects, which are symbols in a proof and are not measured, is an ordinary one.
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT_BYTES, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT_BYTES
    return raw[start : start + size].view(dtype).reshape(shape)


def ufunc_buffer_bytes(elements: int, itemsize: int) -> int:
    """Bytes of the buffer in which a ufunc keeps a piece of an operand that it has to cast or broadcast."""
    return min(elements, np.getbufsize()) * itemsize


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """`aligned_empty`, filled with zeros (written, so that every page of it is in memory)."""
    array = aligned_empty(shape, dtype)
    array.fill(0)
    return array

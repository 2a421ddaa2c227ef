"""One array out of an .npz archive, without unpickling and without trusting its header."""

from __future__ import annotations

import math
import zipfile

import numpy as np

from backprop.arrays import Array, DType


class MemberError(ValueError):
    """An array that is not what it should be; the message goes on after the name of the array."""


def read_member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: DType) -> Array:
    """The array `name` of the archive, in memory of its own.

    Raises `MemberError` where its header says something else than `shape` and `dtype`, before memory is allocated,
    and where its length is another one; and whatever zipfile, zlib and NumPy raise for a damaged archive.
    """
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise MemberError(f"has another .npy version: got {version}, expected (1, 0)")
        got_shape, fortran_order, got_dtype = np.lib.format.read_array_header_1_0(file)
        if (got_shape, fortran_order, got_dtype) != (shape, False, dtype):
            order = " in Fortran order" if fortran_order else ""
            raise MemberError(
                f"is of the wrong kind: got {got_dtype} {got_shape}{order}, expected {dtype} {shape}"
            )
        size = math.prod(shape) * dtype.itemsize
        content = file.read(
            size + 1
        )  # one byte more shows trailing bytes, and at the end zipfile checks the CRC
    if len(content) != size:
        got = "fewer" if len(content) < size else "more"
        raise MemberError(f"has the wrong length: got {got} bytes, expected {size}")
    return np.frombuffer(bytearray(content), dtype).reshape(shape)

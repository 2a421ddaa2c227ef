"""Arrays out of an .npz archive, without unpickling and without trusting a header."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from backprop.arrays import Array, DType
from backprop.errors import BackpropError, DataError

Check = Callable[[tuple[int, ...], DType], None]
"""What raises where the shape and the dtype that a header states are not as they should be."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class MemberError(ValueError):
    """An array that is not what it should be; the message goes on after the name of the array."""


def exactly(shape: tuple[int, ...], dtype: DType) -> Check:
    """Only this shape and dtype will do; the check raises `MemberError` for others."""

    def check(got_shape: tuple[int, ...], got_dtype: DType) -> None:
        if (got_shape, got_dtype) != (shape, dtype):
            raise MemberError(f"is of the wrong kind: got {got_dtype} {got_shape}, expected {dtype} {shape}")

    return check


def of_numbers(shape: tuple[int, ...], dtype: DType) -> None:
    """The check of an array of any real numbers."""
    if dtype.kind not in "iufb":
        raise MemberError(f"is of {dtype}; expected numbers: nothing is unpickled")


def read_member(archive: zipfile.ZipFile, name: str, check: Check) -> Array:
    """The array `name` of the archive, C-contiguous and in memory of its own.

    Raises what `check` raises of its header, before its numbers are read; `MemberError` where it is not as long as
    its header says; and whatever zipfile, zlib and NumPy raise for a damaged archive.
    """
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise MemberError(f"has the .npy version {version}; expected 1.0 or 2.0")
        shape, fortran_order, dtype = _HEADERS[version](file)
        check(shape, dtype)
        size = math.prod(shape) * dtype.itemsize
        # Memory grows with what arrives. One byte more shows trailing bytes, and at the end zipfile checks the CRC.
        content = file.read(size + 1)
    if len(content) != size:
        got = f"{len(content)} bytes" if len(content) < size else "more"
        raise MemberError(f"has the wrong length: got {got}, expected {size} bytes, as its header says")
    array = np.frombuffer(bytearray(content), dtype).reshape(shape, order="F" if fortran_order else "C")
    return array.astype(dtype.newbyteorder("="), order="C", copy=False)


def read_npz(
    file: Path | IO[bytes], where: str, check: Callable[[str], Check], names: Sequence[str] | None = None
) -> dict[str, Array]:
    """The arrays of these names, or all, each in memory of its own and checked by what `check` gives for its name.

    `where` is what messages call the file. Raises `DataError` where the file is none, is damaged, lacks an array, or
    has one that fails its check with a `MemberError`; other errors of a check go on.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            held = list(dict.fromkeys(name.removesuffix(".npy") for name in archive.namelist()))
            for name in names or ():
                if name not in held:
                    listed = ", ".join(sorted(held)[:8]) or "nothing"
                    raise DataError(
                        f"{where} has no array {name}: got {listed}, expected {', '.join(names or ())}."
                    )
            return {name: _read(archive, where, name, check(name)) for name in names or held}
    except BackpropError:
        raise
    except OSError as error:
        raise DataError(
            f"{where} cannot be read: got {str(error.strerror or error)!r}, expected an .npz file."
        ) from error
    # The zip, deflate and .npy readers raise a dozen kinds, bare RuntimeError and tokenizer errors included.
    except Exception as error:
        raise DataError(
            f"{where} is damaged: got {type(error).__name__} while reading it, expected an .npz file."
        ) from error


def _read(archive: zipfile.ZipFile, where: str, name: str, check: Check) -> Array:
    try:
        return read_member(archive, name, check)
    except MemberError as error:
        raise DataError(f"{where} is damaged: its array {name} {error}.") from error

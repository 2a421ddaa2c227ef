"""Reads arrays of numbers out of an .npz file of anybody's, without unpickling and without trusting its headers."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop.errors import DataError

__all__ = ["read_npz"]

_DEFLATE_LIMIT = 1032
"""Deflate packs at most so many bytes into one."""
_KINDS = "iufb"


def read_npz(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of these names, each in memory of its own.

    Raises `DataError` where the file is none, where an array is missing, is not made of real numbers, or is longer
    than the file can hold; that is known before memory is allocated.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            missing = [name for name in names if name not in held]
            if missing:
                listed = ", ".join(sorted(held)[:8]) or "nothing"
                raise DataError(
                    f"The file {path} has no array {missing[0]}: got {listed}, expected {', '.join(names)}."
                )
            return {name: _read(archive, name, path) for name in names}
    except DataError:
        raise
    except OSError as error:
        raise DataError(
            f"The file {path} cannot be read: got {str(error.strerror or error)!r}, expected an .npz file."
        ) from error
    # The zip, deflate and .npy readers raise a dozen kinds, bare RuntimeError and tokenizer errors included.
    except Exception as error:
        raise DataError(
            f"The file {path} is damaged: got {type(error).__name__} while reading it, expected an .npz file."
        ) from error


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> npt.NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise DataError(
                f"The array {name} of {path} has the .npy version {version}; expected 1.0 or 2.0."
            )
        shape, fortran_order, dtype = readers[version](file)
        if dtype.kind not in _KINDS:
            raise DataError(
                f"The array {name} of {path} is of {dtype}; expected numbers: nothing is unpickled."
            )
        size = math.prod(shape) * dtype.itemsize
        most = min(info.file_size, info.compress_size * _DEFLATE_LIMIT, path.stat().st_size * _DEFLATE_LIMIT)
        if size > most:
            raise DataError(
                f"The array {name} of {path} is truncated or its header lies: got at most {most} bytes, "
                f"expected {size} for {' x '.join(map(str, shape))} items of {dtype}."
            )
        content = file.read(
            size + 1
        )  # one byte more shows trailing bytes, and at the end zipfile checks the CRC
    if len(content) != size:
        raise DataError(
            f"The array {name} of {path} has the wrong length: got {len(content)} bytes, expected {size}."
        )
    array = np.frombuffer(bytearray(content), dtype)
    array = array.reshape(shape, order="F" if fortran_order else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("="))

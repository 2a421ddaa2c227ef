"""Reads and writes IDX, the format of the MNIST files: a short header, then big-endian items in C order.

    byte 0-1   zero
    byte 2     type code of the items (`TYPES`)
    byte 3     number of dimensions d
    4·d bytes  the size of each dimension, big-endian uint32
    the rest   the items

A file may be gzipped; its first bytes say so, not its name. A header may lie: its sizes are compared with what the
caller expects, memory grows with the bytes that arrive, and no more is decompressed than the header says.

Source: http://yann.lecun.com/exdb/mnist/, section "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from backprop.errors import DataError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
"""Type code of the header -> dtype of the array, in this machine's byte order."""

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_DIMENSIONS = 32  # what every NumPy can hold; a header may claim 255
_CHUNK = 1 << 18


class _Refusal(Exception):
    """What is wrong with a file, what was got and what was expected; `read_idx` adds the name of the file."""

    def __init__(self, what: str, got: object, expected: object) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}.")


def read_idx(
    path: Path,
    *,
    dimensions: Sequence[int] | None = None,
    sha256: str | None = None,
    name: str | None = None,
) -> npt.NDArray[Any]:
    """Read one IDX file, plain or gzipped, into a new array in this machine's byte order.

    dimensions: how many sizes there may be; any by default.
    sha256: the checksum of the decompressed bytes, header included, in lower-case hexadecimal.
    name: what messages call the file; the path by default.

    Raises `DataError` where the file is missing, unreadable, truncated, corrupt, longer than its header says, or of
    another shape or checksum than expected.
    """
    try:
        # A pipe would block on opening.
        if path.exists() and not path.is_file():
            raise _Refusal("cannot be read", "a folder or a device", "an IDX file")
        with path.open("rb") as file:
            return _read(file, dimensions, sha256)
    except _Refusal as error:
        said, cause = str(error), error.__cause__
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        said, cause = str(_Refusal("is corrupt", repr(str(error).rstrip(".")), "whole gzip data")), error
    except FileNotFoundError as error:
        said, cause = str(_Refusal("is missing", "no such file", "an IDX file")), error
    except (OSError, ValueError) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error)
        said, cause = str(_Refusal("cannot be read", repr(reason), "an IDX file")), error
    raise DataError(f"{name or path} {said}") from cause


def write_idx(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as a plain IDX file.

    Raises `DataError` for a dtype or number of dimensions that an IDX header cannot hold, and `OSError` where the
    file cannot be written.
    """
    codes = {dtype: code for code, dtype in TYPES.items()}
    if array.dtype not in codes:
        known = ", ".join(map(str, codes))
        raise DataError(f"IDX cannot hold this dtype: got {array.dtype}, expected one of {known}.")
    if not 1 <= array.ndim <= _MOST_DIMENSIONS or 0 in array.shape:
        raise DataError(
            f"IDX cannot hold this shape: got {array.shape}, "
            f"expected 1 to {_MOST_DIMENSIONS} dimensions of at least 1."
        )
    with path.open("wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype], array.ndim, *array.shape))
        file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">")).data)


def _read(file: BinaryIO, dimensions: Sequence[int] | None, sha256: str | None) -> npt.NDArray[Any]:
    """The array of an open file; raises `_Refusal` and the errors of gzip."""
    gzipped = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if gzipped else file
    header, stored, shape = _read_header(stream)
    if dimensions is not None and len(shape) not in dimensions:
        raise _Refusal("has a wrong number of dimensions", len(shape), " or ".join(map(str, dimensions)))
    total = len(header) + math.prod(shape) * stored.itemsize  # in Python's integers, which do not wrap around
    wanted = f"{total} for {_by(shape)} items of {stored}"
    content = bytearray(header)
    while chunk := stream.read(min(_CHUNK, total - len(content))):  # memory grows with what arrives
        content += chunk
    if len(content) < total:
        raise _Refusal("is truncated or its header lies", f"{len(content)} bytes", wanted)
    if stream.read(1):  # one byte more shows trailing bytes, and at the end gzip checks the CRC
        raise _Refusal("has trailing bytes", f"more than {total} bytes", wanted)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, digest):
        raise _Refusal("has the wrong SHA-256", digest, sha256)
    array = np.frombuffer(content, stored.newbyteorder(">"), offset=len(header)).reshape(shape)
    return array.astype(stored, copy=False)


def _read_header(stream: BinaryIO) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    """The bytes of the header, the dtype and the shape that it claims."""
    start = stream.read(4)
    if start[:2] != b"\0\0"[: len(start)] or not start:
        raise _Refusal("is no IDX file", f"a start of {start[:2].hex(' ') or 'nothing'}", "00 00")
    if len(start) < 4:
        raise _Refusal("is truncated", f"{len(start)} bytes", "a header of at least 8")
    code, dimensions = start[2], start[3]
    if code not in TYPES:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise _Refusal("has an unknown type code", f"0x{code:02x}", f"one of {known}")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise _Refusal("has a wrong number of dimensions", dimensions, f"1 to {_MOST_DIMENSIONS}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise _Refusal("is truncated", f"{4 + len(sizes)} bytes", f"a header of {4 + 4 * dimensions}")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise _Refusal("has the wrong shape", _by(shape), "no size of 0")
    return start + sizes, TYPES[code], shape


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))

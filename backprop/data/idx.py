"""Reads and writes IDX, the format of the MNIST files: a short header, then big-endian items in C order.

    byte 0-1   zero
    byte 2     type code of the items (`TYPES`)
    byte 3     number of dimensions d
    4·d bytes  the size of each dimension, big-endian uint32
    the rest   the items

A file may be gzipped; its first bytes say so, not its name. A header may lie: its sizes are compared with the size
of the file and with what the caller expects before memory is allocated, and no more is decompressed than it says.

Source: http://yann.lecun.com/exdb/mnist/, section "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from backprop.errors import DataError

__all__ = ["TYPES", "read_idx", "write_idx"]

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
_DEFLATE_LIMIT = 1032  # deflate packs at most 1032 bytes into one (258 bytes in two bits), zlib's own figure
_CHUNK = 1 << 20

Sizes = tuple[int | None, ...]
Expected = tuple[Sizes | None, Sequence[int] | None, npt.DTypeLike | None]
"""The shape, the numbers of dimensions and the dtype that a header must give, where they are known."""


class _Refusal(Exception):
    """What is wrong with a file, what was got and what was expected; `read_idx` adds the name of the file."""

    def __init__(self, what: str, got: object, expected: object) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}.")


def read_idx(
    path: Path,
    *,
    shape: Sizes | None = None,
    dimensions: Sequence[int] | None = None,
    dtype: npt.DTypeLike | None = None,
    sha256: str | None = None,
    name: str | None = None,
) -> npt.NDArray[Any]:
    """Read one IDX file, plain or gzipped, into a new array in this machine's byte order.

    shape: the sizes that the header must give, `None` for a size that may be any: `(None, 28, 28)`.
    dimensions: how many sizes there may be, where `shape` is not given; any by default.
    dtype: the type of the items; any of `TYPES` by default.
    sha256: the checksum of the decompressed bytes, header included, in lower-case hexadecimal.
    name: what messages call the file; the path by default.

    Raises `DataError` where the file is missing, unreadable, truncated, corrupt, longer than its header says, or of
    another type, shape or checksum than expected.
    """
    try:
        # A pipe would block on opening, and it has no size to compare the header with.
        if path.exists() and not path.is_file():
            raise _Refusal("cannot be read", "a folder or a device", "an IDX file")
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, (shape, dimensions, dtype), sha256)
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


def _read(file: BinaryIO, file_size: int, expected: Expected, sha256: str | None) -> npt.NDArray[Any]:
    """The array of an open file of `file_size` bytes; raises `_Refusal` and the errors of gzip."""
    gzipped = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if gzipped else file
    header, stored, shape = _read_header(stream)
    _check_expected(stored, shape, *expected)
    item_bytes = math.prod(shape) * stored.itemsize  # Python integers: 4e9 x 4e9 items do not wrap around
    total = len(header) + item_bytes
    items_of = f"for {_by(shape)} items of {stored}"
    most = file_size * _DEFLATE_LIMIT if gzipped else file_size
    if total > most:
        got = f"{file_size} gzipped bytes, which hold at most {most}" if gzipped else f"{file_size} bytes"
        raise _Refusal("is truncated or its header lies", got, f"{total} {items_of}")
    if not gzipped and total < file_size:
        raise _Refusal("has trailing bytes", f"{file_size} bytes", f"{total} {items_of}")
    items, digest = bytearray(), hashlib.sha256(header)
    while chunk := stream.read(min(_CHUNK, item_bytes - len(items))):  # memory grows with what arrives
        digest.update(chunk)
        items += chunk
    if len(items) < item_bytes:
        raise _Refusal("is truncated", f"{len(items)} bytes of items", f"{item_bytes} {items_of}")
    if stream.read(1):  # one byte more shows trailing bytes, and at the end gzip checks the CRC
        raise _Refusal(
            "has trailing bytes", f"more than {item_bytes} bytes of items", f"{item_bytes} {items_of}"
        )
    if sha256 is not None and digest.hexdigest() != sha256:
        raise _Refusal("has the wrong SHA-256", digest.hexdigest(), sha256)
    array = np.frombuffer(items, dtype=stored.newbyteorder(">")).reshape(shape)
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
    return start + sizes, TYPES[code], struct.unpack(f">{dimensions}I", sizes)


def _check_expected(
    stored: np.dtype[Any],
    shape: tuple[int, ...],
    wanted: Sizes | None,
    dimensions: Sequence[int] | None,
    dtype: npt.DTypeLike | None,
) -> None:
    """Compare the header with what the caller expects."""
    if dtype is not None and stored != np.dtype(dtype):
        raise _Refusal("holds the wrong type", stored, np.dtype(dtype))
    if wanted is not None and len(shape) != len(wanted):
        raise _Refusal("has a wrong number of dimensions", len(shape), len(wanted))
    if dimensions is not None and len(shape) not in dimensions:
        raise _Refusal("has a wrong number of dimensions", len(shape), " or ".join(map(str, dimensions)))
    wanted = wanted or (None,) * len(shape)
    if not all(got >= 1 and want in (None, got) for got, want in zip(shape, wanted, strict=True)):
        sizes = _by("any" if want is None else want for want in wanted)
        raise _Refusal("has the wrong shape", _by(shape), f"{sizes}, none of them 0")


def _by(sizes: Iterable[object]) -> str:
    return " x ".join(map(str, sizes))

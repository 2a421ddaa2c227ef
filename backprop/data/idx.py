"""Reads and writes IDX, the format of the MNIST files: a short header, then big-endian items in C order.

    byte 0-1   zero
    byte 2     type code of the items (`TYPES`)
    byte 3     number of dimensions d
    4·d bytes  the size of each dimension, big-endian uint32
    the rest   the items

A file may be gzipped; its first bytes say so, not its name. The header is a claim made by a stranger: it
is held against the size of the file and against what the caller expects before any memory is taken, and
no more is ever decompressed than it claims (plus a read-ahead of one buffer, to see the end).

Source: http://yann.lecun.com/exdb/mnist/, section "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


def read_idx(
    path: Path,
    *,
    shape: tuple[int | None, ...] | None = None,
    dtype: npt.DTypeLike | None = None,
    sha256: str | None = None,
    name: str | None = None,
) -> npt.NDArray[Any]:
    """Read one IDX file, plain or gzipped, into a new array in this machine's byte order.

    Args:
        path: the file.
        shape: what the header must say, `None` for a size that may be any: `(None, 28, 28)`.
        dtype: what the items must be, by default any of `TYPES`.
        sha256: what the decompressed bytes, header included, must hash to, in lower-case hexadecimal.
        name: what messages call the file; the path by default.

    Raises:
        DataError: the file is missing, unreadable, truncated, longer than its header says, corrupt, of
            another type, shape or checksum than expected, or no IDX file.
    """
    name = str(path) if name is None else name
    digest = hashlib.sha256()
    with _open(path, name) as content:
        header = _read_header(content, name, digest)
        _check_expected(header, shape, dtype, name)
        _check_size(header, content, name)
        items = _read_items(header, content, name, digest)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DataError(f"{name} has the wrong SHA-256: got {digest.hexdigest()}, expected {sha256}.")
    stored = np.frombuffer(items, dtype=header.dtype.newbyteorder(">")).reshape(header.shape)
    return stored.astype(header.dtype, copy=False)


def write_idx(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as a plain IDX file.

    Raises:
        DataError: the array's dtype or number of dimensions has no place in an IDX header.
        OSError: the file cannot be written.
    """
    codes = {dtype: code for code, dtype in TYPES.items()}
    if array.dtype not in codes:
        raise DataError(f"IDX cannot hold this dtype: got {array.dtype}, expected one of {_names(TYPES)}.")
    if not 1 <= array.ndim <= _MOST_DIMENSIONS or 0 in array.shape:
        raise DataError(
            f"IDX cannot hold this shape: got {array.shape}, "
            f"expected 1 to {_MOST_DIMENSIONS} dimensions of at least 1."
        )
    with path.open("wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype], array.ndim, *array.shape))
        file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">")).data)


@dataclass(frozen=True)
class _Content:
    """The decompressed bytes of an open file, and what is known of their number."""

    stream: BinaryIO
    file_size: int
    gzipped: bool


@dataclass(frozen=True)
class _Header:
    """What a header claims."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def item_bytes(self) -> int:
        # Python integers: a claim of 4e9 x 4e9 items must not wrap around.
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def total_bytes(self) -> int:
        return 4 + 4 * len(self.shape) + self.item_bytes


@contextmanager
def _open(path: Path, name: str) -> Iterator[_Content]:
    """Open a file by its content, and turn every way that reading it can fail into a `DataError`."""
    try:
        # A pipe would block on opening and has no size to hold the header against.
        if path.exists() and not path.is_file():
            raise DataError(f"{name} cannot be read: got a folder or a device, expected an IDX file.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            gzipped = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if gzipped:
                with gzip.GzipFile(fileobj=file) as stream:
                    yield _Content(cast(BinaryIO, stream), size, gzipped)
            else:
                yield _Content(file, size, gzipped)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{name} is corrupt: got {str(error).rstrip('.')!r}, expected whole gzip data."
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{name} is missing: got no such file, expected an IDX file.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name} cannot be read: got {str(reason)!r}, expected an IDX file.") from error


def _read_header(content: _Content, name: str, digest: hashlib._Hash) -> _Header:
    start = content.stream.read(4)
    if start[:2] != b"\0\0"[: len(start)] or not start:
        raise DataError(f"{name} is no IDX file: got a start of {_hex(start[:2])}, expected 00 00.")
    if len(start) < 4:
        raise DataError(f"{name} is truncated: got {len(start)} bytes, expected a header of at least 8.")
    code, dimensions = start[2], start[3]
    if code not in TYPES:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise DataError(f"{name} has an unknown type code: got 0x{code:02x}, expected one of {known}.")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise DataError(
            f"{name} has a wrong number of dimensions: got {dimensions}, expected 1 to {_MOST_DIMENSIONS}."
        )
    sizes = content.stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(
            f"{name} is truncated: got {4 + len(sizes)} bytes, expected a header of {4 + 4 * dimensions}."
        )
    digest.update(start + sizes)
    return _Header(TYPES[code], struct.unpack(f">{dimensions}I", sizes))


def _check_expected(
    header: _Header, shape: tuple[int | None, ...] | None, dtype: npt.DTypeLike | None, name: str
) -> None:
    if dtype is not None and header.dtype != np.dtype(dtype):
        raise DataError(f"{name} holds the wrong type: got {header.dtype}, expected {np.dtype(dtype)}.")
    if shape is not None and len(header.shape) != len(shape):
        raise DataError(
            f"{name} has a wrong number of dimensions: got {len(header.shape)}, expected {len(shape)}."
        )
    wanted = shape or (None,) * len(header.shape)
    fits = all(got >= 1 and want in (None, got) for got, want in zip(header.shape, wanted, strict=True))
    if not fits:
        sizes = " x ".join("any" if want is None else str(want) for want in wanted)
        raise DataError(
            f"{name} has the wrong shape: got {_by(header.shape)}, expected {sizes}, none of them 0."
        )


def _check_size(header: _Header, content: _Content, name: str) -> None:
    """Refuse a claim that the file cannot keep, before memory is taken for it."""
    claim = f"{header.total_bytes} for {_by(header.shape)} items of {header.dtype}"
    if content.gzipped:
        most = content.file_size * _DEFLATE_LIMIT
        if header.total_bytes > most:
            raise DataError(
                f"{name} is truncated or its header lies: got {content.file_size} gzipped bytes, "
                f"which hold at most {most}, expected {claim}."
            )
    elif content.file_size < header.total_bytes:
        raise DataError(
            f"{name} is truncated or its header lies: got {content.file_size} bytes, expected {claim}."
        )
    elif content.file_size > header.total_bytes:
        raise DataError(f"{name} has trailing bytes: got {content.file_size} bytes, expected {claim}.")


def _read_items(header: _Header, content: _Content, name: str, digest: hashlib._Hash) -> bytearray:
    """Read what the header claims; memory grows with what really arrives, not with the claim."""
    items = bytearray()
    while chunk := content.stream.read(min(_CHUNK, header.item_bytes - len(items))):
        digest.update(chunk)
        items += chunk
    if len(items) < header.item_bytes:
        raise DataError(
            f"{name} is truncated: got {len(items)} bytes of items, expected {header.item_bytes} "
            f"for {_by(header.shape)} items of {header.dtype}."
        )
    # One byte more: it shows trailing bytes, and at its end gzip checks the CRC.
    if content.stream.read(1):
        raise DataError(
            f"{name} has trailing bytes: got more than {header.item_bytes} bytes of items, expected "
            f"{header.item_bytes} for {_by(header.shape)} items of {header.dtype}."
        )
    return items


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _hex(data: bytes) -> str:
    return data.hex(" ") if data else "nothing"


def _names(types: dict[int, np.dtype[Any]]) -> str:
    return ", ".join(str(dtype) for dtype in types.values())

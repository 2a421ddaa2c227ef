"""Reads arrays out of an .npz file of anybody's, without unpickling and without trusting its headers."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from backprop.arrays import Array, DType
from backprop.errors import DataError
from backprop.npy import Check, MemberError, read_member


def of_numbers(shape: tuple[int, ...], dtype: DType) -> None:
    """The check of an array of any real numbers."""
    if dtype.kind not in "iufb":
        raise MemberError(f"is of {dtype}; expected numbers: nothing is unpickled")


def read_npz(file: Path | IO[bytes], where: str, checks: Mapping[str, Check]) -> dict[str, Array]:
    """The arrays that `checks` names, each in memory of its own, from what messages call `where`.

    Raises `DataError` where the file is none, is damaged, lacks an array, or has one that fails its check.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            for name in checks:
                if name not in held:
                    listed = ", ".join(sorted(held)[:8]) or "nothing"
                    raise DataError(
                        f"{where} has no array {name}: got {listed}, expected {', '.join(checks)}."
                    )
            return {name: _read(archive, where, name, check) for name, check in checks.items()}
    except DataError:
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
        raise DataError(f"{where} has an array {name} that {error}.") from error

"""Versions that must be equal on every worker: else one table would hold figures of two programs."""

from __future__ import annotations

import functools
import sys
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def versions() -> dict[str, str]:
    """The versions here: of the package, of its source text, of Python and of what it computes with."""
    import backprop

    found = {"backprop": backprop.__version__, "source of backprop": source_checksum()}
    found["Python"] = ".".join(map(str, sys.version_info[:2]))
    for name in ("numpy", "scipy", "distributed"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def difference(theirs: dict[str, str], ours: dict[str, str]) -> str | None:
    """The first thing that a worker has in another version, and what was expected; None where all are the same."""
    for name, expected in ours.items():
        got = theirs.get(name, "none")
        if got != expected:
            return f"{name} {got}; expected {expected}, as here"
    return None


@functools.cache
def source_checksum() -> str:
    """CRC-32 of every line of Python of the package: a checkout of another commit has the same version."""
    import backprop

    checksum, folder = 0, Path(str(backprop.__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        checksum = zlib.crc32(str(path.relative_to(folder)).encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"

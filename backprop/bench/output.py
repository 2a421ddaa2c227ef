"""Write files whole or not at all. A file that cannot be written is one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from backprop.errors import OutputError


@contextlib.contextmanager
def writing(what: str, where: Path, expected: str = "a writable folder") -> Iterator[None]:
    """A context in which an `OSError` becomes an `OutputError` that says what cannot be written, where and why."""
    try:
        yield
    except OutputError:  # an OSError as well, which says already what there is to say
        raise
    except OSError as error:
        raise OutputError(
            f"{what} cannot be written to {str(where)!r}: {error.strerror or error}; expected {expected}."
        ) from error


def write_files(what: str, folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write files of these names and contents; the folder is made where it is missing.

    Raises `OutputError`.
    """
    with writing(what, folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [write_whole(folder / name, content) for name, content in files.items()]


def write_file(what: str, path: Path, content: str | bytes) -> Path:
    """Write one file, whose folder is there; raises `OutputError`."""
    with writing(what, path, "a file that can be written to and is not open in another program"):
        return write_whole(path, content)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a second file and rename it to the first, which is therefore never half written; raises `OSError`."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # a pipe or a terminal has no place to be put into
        path.write_bytes(data)
        return path
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path

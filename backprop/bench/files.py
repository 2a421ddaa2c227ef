"""Files and folders: read by a schema, written whole or not at all, and nothing replaced unasked.

results/2026-11-26T20-42-30             a run, by the time at which it began (UTC)
results/2026-11-26T21-03-11-training    a training
results/latest, latest-training         the newest of them: a link, or a file with its name if links do not work

A file that cannot be read or written is one sentence. A schema is a class with annotated fields. msgspec checks the
content against it: types, ranges, missing and unknown fields, numbers that are too long, brackets that are nested too
deep; code behind this border need not check values again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from backprop.errors import OutputError, RecordError, UnknownNameError, is_file, shown

# Read -------------------------------------------------------------------------------------------------

T = TypeVar("T")


def decoded_file(path: Path, decoder: msgspec.json.Decoder[T], what: str, expected: str) -> T:
    """Parse the JSON of a file by the decoder's schema. Raises `RecordError`, whose message calls the file `what`."""
    where = f"{what} {shown(str(path))}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{where} cannot be read: {error.strerror}; expected {expected}.") from error
    return decoded(content, decoder, where, expected)


def decoded(
    content: bytes,
    decoder: msgspec.json.Decoder[T],
    where: str,
    expected: str,
) -> T:
    """Parse the JSON in `content` by the decoder's schema.

    `where` names the file and line, `expected` what should stand there. Raises `RecordError`.
    """
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RecordError(f"{where} cannot be read: {said(error)}; expected {expected}.") from error


def said(error: BaseException) -> str:
    """The message of an error on one line, with no full stop, and a small first letter unless it begins with JSON."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return message if message[:2].isupper() else message[0].lower() + message[1:]


# Write ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def writing(what: str, where: Path, expected: str = "a writable folder") -> Iterator[None]:
    """A context in which an `OSError` becomes an `OutputError` that says what cannot be written, where and why."""
    try:
        yield
    except OutputError:  # it is an OSError, too, and its message is complete
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
    """Write a temporary file and rename it, so that the file is never half written; raises `OSError`."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # a pipe or a terminal cannot be renamed
        path.write_bytes(data)
        return path
    beside = path.with_name(f"{path.name}.part{os.getpid()}")  # two commands may write at the same time
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


# Where results go -------------------------------------------------------------------------------------

RESULTS = Path("results")
LATEST = "latest"
TRAINING = "latest-training"
_LONGEST_NAME = 255


def new_folder(latest: str = LATEST, results: Path = RESULTS) -> Path:
    """A new folder name, made from the time. The folder does not exist yet."""
    stem = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime()) + latest.removeprefix(LATEST)
    folder, number = results / stem, 1
    while folder.exists():
        number += 1
        folder = results / f"{stem}-{number}"
    return folder


def lead_to(folder: Path, latest: str = LATEST) -> None:
    """Make results/latest point to a folder of results. A real folder of that name, from version 0.1, stays."""
    link, beside = folder.parent / latest, folder.parent / f"{latest}.part"
    if link.is_dir() and not link.is_symlink():
        return
    with writing("The name of the newest results", link):
        beside.unlink(missing_ok=True)
        try:
            beside.symlink_to(folder.name, target_is_directory=True)
        except (OSError, NotImplementedError):  # most users of Windows may not make links
            write_whole(link, folder.name + "\n")
        else:
            beside.replace(link)


def found(path: Path) -> Path:
    """Follow a link, or the file that stands for one, to its folder. Any other path is returned as it is."""
    if os.path.islink(path):  # noqa: PTH114  # where Path raises for a name that is too long
        return path.parent / path.readlink()
    if is_file(path) and path.stat().st_size <= _LONGEST_NAME:
        name = path.read_bytes().decode("utf-8", "replace").strip()
        if name and "\0" not in name and (path.parent / name).is_dir():
            return path.parent / name
    return path


def keep(files: Sequence[Path], fresh: bool) -> None:
    """Raise `OutputError` if one of the files exists; with `fresh`, print on standard error which are replaced."""
    there = [path for path in files if is_file(path)]
    if there and not fresh:
        raise OutputError(
            f"The file {str(there[0])!r} is there; expected another place, or --fresh to replace it."
        )
    if there:
        print(f"Note: --fresh replaces {', '.join(map(str, there))}.", file=sys.stderr)


_OF_FILES = (
    ".csv",
    ".html",
    ".json",
    ".jsonl",
    ".md",
    ".npz",
    ".pdf",
    ".png",
    ".svg",
    ".toml",
    ".txt",
    ".xlsx",
)
"""Endings of file names: a folder of results must not get such a name by mistake."""


def check_file(path: Path, endings: Sequence[str], fresh: bool) -> None:
    """Check, before anything is computed, that the file can be written: its ending, its folder, nothing replaced.

    endings: the allowed ones, such as ".md"; empty if any is allowed. Raises `OutputError`.
    """
    if path.is_dir():
        raise OutputError(
            f"The file cannot be written to {str(path)!r}, a folder; expected the name of a file."
        )
    if path.exists() and not path.is_file():
        return  # a pipe or a terminal
    if endings and path.suffix.lower() not in endings:
        raise OutputError(
            f"The file is {str(path)!r}; expected a name that ends with {' or '.join(endings)}."
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"The file cannot be written to {str(path)!r}: there is no folder {str(path.parent)!r}; "
            "expected a folder that is there."
        )
    keep([path], fresh)


def check_folder(what: str, folder: Path) -> None:
    """Check, before anything is computed, that the folder exists or can be made. Raises `OutputError`."""
    if not folder.exists() and folder.suffix.lower() in _OF_FILES:
        raise OutputError(
            f"{what} go into a folder; got {str(folder)!r}, which looks like a file, expected the name of a folder."
        )
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        problem = "cannot be written to" if there.is_dir() else "is no folder"
        raise OutputError(
            f"{what} cannot be written to {str(folder)!r}: {str(there)!r} {problem}; expected a writable folder."
        )


def format_of(name: str | None, out: Path | None, endings: Mapping[str, str], default: str) -> str:
    """The format asked for by name; else that of the file's ending; else, where no file is named, the default.

    endings: by the name of a format, the ending of its files. Raises `UnknownNameError` for a name that is not among
    them, and `OutputError` for an ending that is not.
    """
    if name is not None:
        if name not in endings:
            raise UnknownNameError("format", name, endings)
        return name
    if out is None:
        return default
    found = {ending: known for known, ending in endings.items()}
    if out.suffix.lower() not in found:
        raise OutputError(
            f"The file is {str(out)!r}, whose ending names no format; expected {', '.join(found)} or --format."
        )
    return found[out.suffix.lower()]

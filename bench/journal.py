"""The journal of a run, records.jsonl: one JSON line a row, written as soon as the row is known.

The first line describes the run and its machine. What an interrupted run had measured is in the file.

Every line ends with a checksum of itself and of all lines before it, so that a journal in which somebody has
changed, removed or moved a line is not taken for what was measured:

    crc_k = CRC-32 of line k as JSON without its checksum, continued from crc_(k-1); crc_0 = 0
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from backprop.errors import OutputError, RecordError
from bench.output import writing
from bench.record import FORMAT, Agreement, Record, from_json, to_json

NAME = "records.jsonl"
_MARKS = ("group", "end")
_CHECKSUM = "crc32"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for one run alone; it is made where it is missing, and a run that is killed gives it free.

    Raises `OutputError` where another run is writing to it, or nobody can.
    """
    with writing("The results", folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:  # an OSError as well
            raise OutputError(
                f"Another run is writing to {str(folder)!r}; expected another folder, or to wait for it."
            ) from None
    try:
        yield
    finally:
        lock.release()


class Journal:
    """A new journal in a folder; use it as a context manager.

    Raises `OutputError` where the folder cannot be made or written, or the disk is full.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        self.path = folder / NAME
        with writing("The results", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)  # no rest of a line that is written later
        self._whole_bytes = self._checksum = 0
        try:
            self._append({"kind": "run", "format": FORMAT, **run})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    @classmethod
    def resume(cls, folder: Path) -> Journal:
        """Go on with the journal in `folder` after its last whole group; what follows that is cut off.

        Raises `RecordError` where there is no journal that can be read, `OutputError` where it cannot be
        written.
        """
        read_journal(folder)
        journal = cls.__new__(cls)
        journal.path = folder / NAME
        try:
            journal._file = journal.path.open("r+b", buffering=0)
            kept = _up_to_last_group(journal._file.readall())
            journal._whole_bytes = sum(len(line) for line in kept)
            journal._checksum = int(json.loads(kept[-1]).get(_CHECKSUM, "0"), 16)
            journal._file.truncate(journal._whole_bytes)
            journal._file.seek(journal._whole_bytes)
        except OSError as error:
            raise OutputError(
                f"The results in {str(folder)!r} cannot be continued: {error.strerror}; "
                "expected a writable folder."
            ) from error
        return journal

    def add(self, row: Record | Agreement) -> None:
        """Append a row and have it on the disk before returning."""
        self._append(to_json(row))

    def add_group(self, name: str, rows: Sequence[Record | Agreement]) -> None:
        """Append all rows of a group and its end: a group that lacks a row counts as not measured."""
        self._append(*(to_json(row) for row in rows), {"kind": "group", "name": name})

    def end(self) -> None:
        """Mark the run as finished."""
        self._append({"kind": "end"})

    def _append(self, *rows: dict[str, Any]) -> None:
        lines, checksum = "", self._checksum
        for values in rows:
            checksum = _continued(checksum, values)
            lines += json.dumps({**values, _CHECKSUM: f"{checksum:08x}"}, allow_nan=False) + "\n"
        content = lines.encode()
        try:
            written = 0
            while written < len(content):
                written += self._file.write(content[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line would spoil the lines before it
                self._file.truncate(self._whole_bytes)
                self._file.seek(self._whole_bytes)
            raise OutputError(
                f"The results cannot be written to {str(self.path)!r}: {error.strerror}; "
                "what was measured so far is kept."
            ) from error
        self._whole_bytes += len(content)
        self._checksum = checksum


def read_journal(folder: Path) -> tuple[dict[str, Any], list[Record], list[Agreement]]:
    """The run's description, its records and its agreements.

    A last line that was torn off by a crash is left out. Raises `RecordError` where the folder holds no
    journal, a line cannot be read, or the format is newer than this version's.
    """
    path = folder / NAME if folder.is_dir() else folder
    rows = _read_rows(path)
    if not rows or rows[0].get("kind") != "run":
        raise RecordError(f"{path} does not begin with the description of a run; expected a run's {NAME}.")
    run = rows[0]
    if not isinstance(run.get("format"), int) or run["format"] > FORMAT:
        raise RecordError(
            f"{path} has format {run.get('format')}; expected at most {FORMAT}, a newer version wrote it."
        )
    sums = [row.pop(_CHECKSUM, None) for row in rows]
    read = [
        from_json(row, f"Line {k} of {path}")
        for k, row in enumerate(rows[1:], 2)
        if row.get("kind") not in _MARKS
    ]
    if sums[0] is not None:  # what wrote no checksum into its first line wrote none at all
        _check_sums(rows, sums, path)
    return (
        run,
        [row for row in read if isinstance(row, Record)],
        [row for row in read if isinstance(row, Agreement)],
    )


def begun(folder: Path) -> bool:
    """Whether a journal in the folder has at least its first line; a run may be killed before that."""
    try:
        return b"\n" in (folder / NAME).read_bytes()
    except FileNotFoundError:
        return False


def finished_groups(folder: Path) -> tuple[set[str], bool]:
    """The names of the groups that a run has finished, and whether it has finished them all."""
    marks = [row for row in _read_rows(folder / NAME) if row.get("kind") in _MARKS]
    return (
        {str(mark.get("name")) for mark in marks if mark["kind"] == "group"},
        any(mark["kind"] == "end" for mark in marks),
    )


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Every whole line as an object; raises `RecordError` where there is no file or a line is no object."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise RecordError(f"There are no records in {str(path)!r}: {why}; expected {NAME}.") from error
    if not _is_whole(lines[-1]):
        lines.pop()
    return [_parse(line, f"Line {k} of {path}") for k, line in enumerate(lines, 1)]


def _continued(checksum: int, values: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(values).encode(), checksum)


def _check_sums(rows: Sequence[dict[str, Any]], sums: Sequence[Any], path: Path) -> None:
    """Raise `RecordError` at the first line that is not as it was written, or does not follow the one before."""
    checksum = 0
    for k, (row, written) in enumerate(zip(rows, sums, strict=True), 1):
        checksum = _continued(checksum, row)
        if written != f"{checksum:08x}":
            raise RecordError(
                f"Line {k} of {path} was changed after it was written, or a line before it is gone; "
                "expected a journal that nobody has edited."
            )


def _up_to_last_group(content: bytes) -> list[bytes]:
    """The lines up to the end of the last whole group, or the first one."""
    lines = content.splitlines(keepends=True)
    ends = [
        k for k, line in enumerate(lines, 1) if line.endswith(b"\n") and line.startswith(b'{"kind": "group"')
    ]
    return lines[: ends[-1] if ends else 1]


def _is_whole(last_line: str) -> bool:
    """Whether the line after the last line break is a row: an editor may have taken its line break away."""
    try:
        json.loads(last_line)
    except json.JSONDecodeError:
        return False
    return True


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecordError(f"{where} is not JSON: {error.msg}; expected one row.") from error
    if not isinstance(values, dict):
        raise RecordError(f"{where} is a {type(values).__name__}; expected a JSON object.")
    return values

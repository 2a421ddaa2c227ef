"""The journal of a run, records.jsonl: one JSON line a row, written as soon as the row is known.

The first line describes the run and its machine. An interrupted run loses nothing that it had measured. A killed run
may leave half a line at the end, which is no JSON; readers leave it out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from filelock import FileLock, Timeout

from backprop.bench.files import decoded, found, writing
from backprop.bench.record import FORMAT, Agreement, Description, GroupEnd, Record, Row, RunEnd, to_json
from backprop.errors import OutputError, RecordError

NAME = "records.jsonl"
_ROW = msgspec.json.Decoder(Description | Record | Agreement | GroupEnd | RunEnd)
_OLD_CHECKSUM = re.compile(rb', "crc32": "[0-9a-f]{8}"}\s*$')
"""The checksum at the end of every line in journals written before November 2026. Readers ignore it."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, made where it is missing, for one run alone. The lock of a killed run is free again.

    Raises `OutputError` where another run is writing to the folder, or the folder cannot be written.
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

    def __init__(self, folder: Path, run: Description) -> None:
        self.path = folder / NAME
        with writing("The results", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)  # no rest of a line that is written later
        self._whole_bytes = 0
        try:
            self.add(run)
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
            journal._whole_bytes = _end_of_last_group(journal._file.readall())
            journal._file.truncate(journal._whole_bytes)
            journal._file.seek(journal._whole_bytes)
        except OSError as error:
            raise OutputError(
                f"The results in {str(folder)!r} cannot be continued: {error.strerror}; "
                "expected a writable folder."
            ) from error
        return journal

    def add_group(self, name: str, rows: Sequence[Record | Agreement]) -> None:
        """Append all rows of a group and its end: a group that lacks a row counts as not measured."""
        self.add(*rows, GroupEnd(name))

    def end(self) -> None:
        """Mark the run as finished."""
        self.add(RunEnd())

    def add(self, *rows: Row) -> None:
        """Append rows and have them on the disk before returning."""
        content = "".join(json.dumps(to_json(row)) + "\n" for row in rows).encode()
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


class Run(NamedTuple):
    """What a journal says of a run."""

    description: Description
    records: list[Record]
    agreements: list[Agreement]


def read_journal(folder: Path) -> Run:
    """The run in a folder.

    Raises `RecordError` where the folder holds no journal, a line cannot be read, or the format is newer than this
    version's.
    """
    path = path_of(folder)
    rows = _read_rows(path)
    first = rows[0] if rows else None
    if not isinstance(first, Description) or any(isinstance(row, Description) for row in rows[1:]):
        raise RecordError(
            f"{path} does not begin with the one description of a run; expected a run's {NAME}."
        )
    records = [row for row in rows if isinstance(row, Record)]
    return Run(first, records, [row for row in rows if isinstance(row, Agreement)])


def path_of(run: Path) -> Path:
    """The journal of a run. The run is named by its folder, by its journal, or by `latest`."""
    run = found(run)
    return run / NAME if os.path.isdir(run) else run  # noqa: PTH112  # Path raises for a name too long


def unfinished(folder: Path) -> bool:
    """Whether the folder holds a run of `backprop run` that was killed or interrupted."""
    return (
        begun(folder)
        and read_journal(folder).description.settings is not None
        and not finished_groups(folder)[1]
    )


def begun(folder: Path) -> bool:
    """Whether the folder holds a journal with at least its first line. A run may be killed before it is written."""
    try:
        return b"\n" in (folder / NAME).read_bytes()
    except OSError:  # nothing that could be read is there
        return False


def finished_groups(folder: Path) -> tuple[set[str], bool]:
    """The names of the groups that a run has finished, and whether it has finished them all."""
    rows = _read_rows(folder / NAME)
    return {row.name for row in rows if isinstance(row, GroupEnd)}, any(
        isinstance(row, RunEnd) for row in rows
    )


def _read_rows(path: Path) -> list[Row]:
    """Every whole line; raises `RecordError` where there is no file or a line is no row."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordError(
            f"There are no records in {str(path)!r}: {error.strerror}; expected {NAME}."
        ) from error
    if not _is_whole(lines[-1]):
        lines.pop()
    rows = []
    for number, line in enumerate(lines, 1):
        row = _row(line, f"Line {number} of {path}")
        if isinstance(row, Description) and row.format > FORMAT:
            raise RecordError(
                f"{path} has format {row.format}; expected at most {FORMAT}, a newer version wrote it."
            )
        rows.append(row)
    return rows


def _row(line: bytes, where: str) -> Row:
    row: Row = decoded(_OLD_CHECKSUM.sub(b"}", line), _ROW, where, "a row of a run")
    return row


def _end_of_last_group(content: bytes) -> int:
    """How many bytes the lines up to the end of the last whole group have, or the first line."""
    end = size = 0
    for line in content.splitlines(keepends=True):
        size += len(line)
        if line.endswith(b"\n") and (end == 0 or isinstance(_row(line, "A line"), GroupEnd)):
            end = size
    return end


def _is_whole(last_line: bytes) -> bool:
    """Whether the line after the last line break is JSON: an editor may have taken its line break away."""
    try:
        msgspec.json.decode(last_line)
    except (msgspec.DecodeError, UnicodeError):
        return False
    except RecursionError:  # refused as a row, with its line
        pass
    return True

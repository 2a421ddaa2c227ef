"""The journal of a run, records.jsonl: one JSON line a row, written as soon as the row is known.

The first line describes the run and its machine. What an interrupted run had measured is in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backprop.errors import OutputError, RecordError
from bench.record import FORMAT, Agreement, Record, from_json, to_json

NAME = "records.jsonl"
_MARKS = ("group", "end")


class Journal:
    """A new journal in a folder; use it as a context manager.

    Raises `OutputError` where the folder cannot be made or written, or the disk is full.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)  # no rest of a line that is written later
        except OSError as error:
            raise OutputError(
                f"The results cannot be written to {str(folder)!r}: {error.strerror}; "
                "expected a writable folder."
            ) from error
        self._whole_bytes = 0
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
            journal._whole_bytes = _end_of_last_group(journal._file.readall())
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
        line = "".join(json.dumps(values, allow_nan=False) + "\n" for values in rows).encode()
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line would spoil the lines before it
                self._file.truncate(self._whole_bytes)
                self._file.seek(self._whole_bytes)
            raise OutputError(
                f"The results cannot be written to {str(self.path)!r}: {error.strerror}; "
                "what was measured so far is kept."
            ) from error
        self._whole_bytes += len(line)


def read_journal(folder: Path) -> tuple[dict[str, Any], list[Record], list[Agreement]]:
    """The run's description, its records and its agreements.

    A last line that was torn off by a crash is left out. Raises `RecordError` where the folder holds no
    journal, a line cannot be read, or the format is newer than this version's.
    """
    path = folder / NAME if folder.is_dir() else folder
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"There are no records in {str(folder)!r}: {error}; expected {NAME}.") from error
    if not _is_whole(lines[-1]):
        lines.pop()
    rows = [_parse(line, f"Line {k} of {path}") for k, line in enumerate(lines, 1)]
    if not rows or rows[0].get("kind") != "run":
        raise RecordError(f"{path} does not begin with the description of a run; expected a run's {NAME}.")
    run = rows[0]
    if not isinstance(run.get("format"), int) or run["format"] > FORMAT:
        raise RecordError(
            f"{path} has format {run.get('format')}; expected at most {FORMAT}, a newer version wrote it."
        )
    read = [
        from_json(row, f"Line {k} of {path}")
        for k, row in enumerate(rows[1:], 2)
        if row.get("kind") not in _MARKS
    ]
    return (
        run,
        [row for row in read if isinstance(row, Record)],
        [row for row in read if isinstance(row, Agreement)],
    )


def finished_groups(folder: Path) -> tuple[set[str], bool]:
    """The names of the groups that a run has finished, and whether it has finished them all."""
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    marks = [json.loads(line) for line in lines if line.startswith(('{"kind": "group"', '{"kind": "end"'))]
    return (
        {mark["name"] for mark in marks if mark["kind"] == "group"},
        any(mark["kind"] == "end" for mark in marks),
    )


def _end_of_last_group(content: bytes) -> int:
    """The length of the journal up to the end of its last whole group, or of its first line."""
    end = length = 0
    for line in content.splitlines(keepends=True):
        length += len(line)
        if length == len(line) or (line.startswith(b'{"kind": "group"') and line.endswith(b"\n")):
            end = length
    return end


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

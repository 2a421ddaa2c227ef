"""The journal of a run, records.jsonl: one JSON line a row, written as soon as the row is known.

The first line describes the run and its machine. What an interrupted run had measured is in the file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from backprop.errors import OutputError, RecordError
from bench.record import FORMAT, Agreement, Record, from_json, to_json

NAME = "records.jsonl"


class Journal:
    """A new journal in a folder; use it as a context manager.

    Raises `OutputError` where the folder cannot be made or written, or the disk is full.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"The results cannot be written to {str(folder)!r}: {error.strerror}; "
                "expected a writable folder."
            ) from error
        self._append({"kind": "run", "format": FORMAT, **run})

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, row: Record | Agreement) -> None:
        """Append a row and have it on the disk before returning."""
        self._append(to_json(row))

    def _append(self, values: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(values, allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                f"The results cannot be written to {str(self.path)!r}: {error.strerror}; "
                "what was measured so far is kept."
            ) from error


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
    rows = [_parse(line, f"Line {k} of {path}") for k, line in enumerate(lines[:-1], 1)]
    if not rows or rows[0].get("kind") != "run":
        raise RecordError(f"{path} does not begin with the description of a run; expected a run's {NAME}.")
    run = rows[0]
    if not isinstance(run.get("format"), int) or run["format"] > FORMAT:
        raise RecordError(
            f"{path} has format {run.get('format')}; expected at most {FORMAT}, a newer version wrote it."
        )
    read = [from_json(row, f"Line {k} of {path}") for k, row in enumerate(rows[1:], 2)]
    return (
        run,
        [row for row in read if isinstance(row, Record)],
        [row for row in read if isinstance(row, Agreement)],
    )


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecordError(f"{where} is not JSON: {error.msg}; expected one row.") from error
    if not isinstance(values, dict):
        raise RecordError(f"{where} is a {type(values).__name__}; expected a JSON object.")
    return values

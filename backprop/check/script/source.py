"""Sources: a script, or the code cells of a notebook, as cells."""

from __future__ import annotations

import ast
import json
import linecache
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backprop.check.failures import user_error
from backprop.errors import CheckError, is_file, shown

_KEPT = ("%%time", "%%timeit", "%%capture")
"""Magics of a whole cell whose code is Python all the same."""
_OF_IPYTHON = re.compile(r"\s*(?:[%!?]|[\w.]+\?+\s*$)")
"""Lines that are for IPython alone, of a cell that is no Python as it stands."""


@dataclass(frozen=True)
class Cell:
    """A script, or a code cell. name: how it is called. left_out: the lines for IPython alone, by their number."""

    name: str
    source: str
    left_out: tuple[int, ...] = ()


def read_cells(path: str, name: str = "") -> list[Cell]:
    """The code of a file.py, or of each code cell of a notebook without lines that are for IPython alone.

    name: how the file is called, by default its own name. Raises `CheckError` where there is no such file, or it
    holds something else.
    """
    if not is_file(path):
        raise CheckError(f"There is no file {shown(path)}; expected script.py or notebook.ipynb.")
    name = name or Path(path).name
    if not path.endswith(".ipynb"):
        try:
            with tokenize.open(path) as file:
                return [Cell(name, file.read())]
        except (SyntaxError, UnicodeDecodeError, OSError) as error:
            raise CheckError(f"The file {shown(path)} cannot be read: {error}; expected Python.") from error
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        cells = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
        sources = [
            "".join(cell.get("source", cell.get("input", "")))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise CheckError(f"The file {shown(name)} is no notebook; expected the JSON of one.") from error
    return [_cell(source, f"{name}, code cell {number}") for number, source in enumerate(sources, start=1)]


def _cell(source: str, name: str) -> Cell:
    lines = source.splitlines(keepends=True)
    first = lines[0].split()[0] if source.strip() and lines[0].split() else ""
    if first.startswith("%%") and first not in _KEPT:  # of another language, or text
        return Cell(name, "\n" * len(lines), tuple(range(1, len(lines) + 1)))
    if _is_python(source):
        return Cell(name, source)
    left_out = [k for k, line in enumerate(lines) if _OF_IPYTHON.match(line)]
    for k in left_out:
        lines[k] = lines[k][: len(lines[k]) - len(lines[k].lstrip())] + "pass\n"
    return Cell(name, "".join(lines), tuple(k + 1 for k in left_out))


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def run_cell(cell: Cell, names: dict[str, Any], what: str) -> None:
    """Run a cell in `names`; raises `UserError`, whose sentence begins with `what`, where it cannot be run."""
    lines = cell.source.splitlines(keepends=True)
    linecache.cache[cell.name] = (len(cell.source), None, lines, cell.name)  # for tracebacks, and wrong lines
    try:
        exec(compile(cell.source, cell.name, "exec"), names)
    except BaseException as error:  # also SystemExit, and what else a user's code may raise
        raise user_error(error, f"{what} could not be run at {cell.name}") from error

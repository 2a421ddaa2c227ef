"""`backprop init`: a file to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import completion, options

EXAMPLES = """
  backprop init suite mine.toml                 every key of a suite, explained
  backprop run --suite mine.toml
  backprop init strategy mine.py                a complete strategy
  backprop run -c toy -s mine.py:Mine,short-form
"""


def init(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            autocompletion=completion.starting_files,
            help="What to write: suite, a TOML file with every key, its meaning, default and unit; or strategy, a "
            "Python file with a complete strategy.",
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            show_default="print it",
            help="The file to write: .toml for a suite, .py for a strategy.",
        ),
    ] = None,
    fresh: options.Fresh = False,
) -> None:
    """Write a commented file to start from: a suite or a strategy.

    The file runs as it is. The starting file of your own gradient comes from `backprop check --template`.
    """
    from backprop.bench.files import check_file, write_file
    from backprop.bench.starting_files import STARTING_FILES
    from backprop.errors import UnknownNameError

    if kind not in STARTING_FILES:
        raise UnknownNameError("kind of starting file", kind, STARTING_FILES)
    starting = STARTING_FILES[kind]
    if file is None:
        print(starting.text(), end="")
        return
    check_file(file, (starting.ending,), fresh)
    print(write_file("The file", file, starting.text()))
    print(f"Use it: {starting.use.format(shlex.quote(str(file)))}")

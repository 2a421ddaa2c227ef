"""`backprop report`: the reports of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, with its records.jsonl.")],
) -> None:
    """Rebuild the reports of a run from its records."""
    from bench.report import write_reports

    for path in write_reports(folder):
        print(path)

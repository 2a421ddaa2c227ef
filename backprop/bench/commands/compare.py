"""`backprop compare`: two runs, cell by cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands import options

EXAMPLES = """
  backprop compare results/before results/after
  backprop compare before.json after.json       two files of pytest-benchmark
  backprop compare main/ branch/ --fail-above 1.10 --out comment.md
"""

_ENDINGS = (".md", ".markdown", ".txt")
_RUN = "The folder of a run, or a JSON file of pytest-benchmark"


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help=f"{_RUN}: the older one.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help=f"{_RUN}: the newer one.")],
    fail_above: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Exit with code 1 where a cell of the second run is slower by more than this factor, such as 1.1.",
        ),
    ] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare runs of different machines, too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the comparison into this Markdown file (.md), too."),
    ] = None,
    fresh: options.Fresh = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs cell by cell.

    Every cell has its ratio, second run ÷ first run, with an interval and a verdict. A terminal shows a table; a pipe
    and --out get Markdown, for a pull request.
    """
    import sys

    from backprop.bench.comparison import ComparisonError, compare_runs
    from backprop.bench.console import make_console
    from backprop.bench.files import check_file, write_file
    from backprop.bench.record import to_json
    from backprop.bench.report.comparison import print_comparison, render

    if fail_above is not None and not fail_above >= 1:
        raise ComparisonError(f"--fail-above is {fail_above}; expected a factor of at least 1.")
    if out is not None:
        check_file(out, _ENDINGS, fresh)
    comparison = compare_runs(first, second, across_machines)
    if fail_above is not None:
        comparison.check(fail_above)
    names = str(first), str(second)
    if out is not None:
        write_file("The comparison", out, render(comparison, *names))
    if as_json:
        said = {"cells": comparison.cells, "geometric_mean": comparison.geometric_mean}
        print(json.dumps(to_json(said), indent=2))
    elif sys.stdout.isatty():
        print_comparison(make_console(), comparison, *names)
    else:
        print(render(comparison, *names), end="")
    if fail_above is not None and comparison.worst() > fail_above:
        raise typer.Exit(1)

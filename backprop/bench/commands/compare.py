"""`backprop compare`: two runs, cell by cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands.options import AsJson, Fresh

Run = Annotated[Path, typer.Argument(help="A run's folder, or a JSON file of pytest-benchmark.")]


def compare(
    first: Run,
    second: Run,
    fail_above: Annotated[
        float | None, typer.Option(help="Exit 1 where a cell is slower by more than this factor.")
    ] = None,
    across_machines: Annotated[bool, typer.Option(help="Compare runs of different machines.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the Markdown into this file, too.")] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: ratio with interval and verdict of every cell.

    A terminal shows a table; a pipe and --out get Markdown for a pull request.
    """
    import sys

    from backprop.bench.comparison import ComparisonError, cell_values, compare_runs
    from backprop.bench.console import make_console
    from backprop.bench.folders import keep
    from backprop.bench.output import write_file
    from backprop.bench.report.comparison import print_comparison, render

    if fail_above is not None and not fail_above >= 1:
        raise ComparisonError(f"--fail-above is {fail_above}; expected a factor of at least 1.")
    keep("The file", [out] if out else [], fresh)
    comparison = compare_runs(first, second, across_machines)
    if fail_above is not None:
        comparison.check(fail_above)
    names = str(first), str(second)
    if out is not None:
        write_file("The comparison", out, render(comparison, *names))
    if as_json:
        mean = comparison.geometric_mean
        cells = [cell_values(cell) for cell in comparison.cells]
        print(json.dumps({"cells": cells, "geometric_mean": mean if mean == mean else None}, indent=2))
    elif sys.stdout.isatty():
        print_comparison(make_console(), comparison, *names)
    else:
        print(render(comparison, *names), end="")
    if fail_above is not None and comparison.worst() > fail_above:
        raise typer.Exit(1)

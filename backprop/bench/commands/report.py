"""`backprop report`: the reports of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
  backprop report results/latest                every report
  backprop report results/latest --html         the page alone
  backprop report results/latest --markdown     a short ranking, printed
"""


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of a run, with its records.jsonl.")
    ],
    html: Annotated[
        bool, typer.Option("--html", help="Write the page report.html and no other report.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a short ranking for a pull request; write no file.")
    ] = False,
) -> None:
    """Make the reports of a run again from its records."""
    from backprop.bench.estimates import read_run
    from backprop.bench.journal import path_of, read_journal
    from backprop.bench.libraries import CONSTRAINTS, write_constraints
    from backprop.bench.progress import Progress
    from backprop.bench.report import left_as_they_were, write_page, write_reports
    from backprop.bench.report.markdown import summary

    if markdown:
        print(summary(read_run(folder)), end="")
    if html:
        with Progress("writing the page"):
            page = write_page(folder)
        print(page)
    if markdown or html:
        return
    with Progress("writing the reports"):
        written = write_reports(folder)
    if not (path_of(folder).parent / CONSTRAINTS).exists():
        written += filter(None, [write_constraints(path_of(folder).parent, read_journal(folder).description)])
    for line in (*written, *left_as_they_were(path_of(folder).parent, written)):
        print(line)

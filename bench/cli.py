"""The `backprop` command: a table of commands, and what becomes of a user's mistake.

Exit codes: 0 done, 1 strategies disagree, 2 a user's mistake, 130 interrupted (what was measured is kept).
"""

from __future__ import annotations

import sys

import typer

from bench.commands.list import list_names
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.verify import verify

app = typer.Typer(
    help="Derivations of the same gradient: measured, verified, reported.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(verify)
app.command()(report)
app.command("list")(list_names)


def main() -> None:
    """The entry point: a user's mistake is one sentence on stderr and exit code 2, never a traceback."""
    from backprop.errors import BackpropError

    try:
        app()
    except BackpropError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)

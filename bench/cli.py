"""The `backprop` command: a table of commands, and what becomes of a user's mistake.

Exit codes: 0 done, 1 a gradient is wrong, strategies disagree or crash, 2 a mistake of the user, 130 interrupted
(what was measured is kept).
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer

from bench.commands.accuracy import accuracy
from bench.commands.check import check
from bench.commands.compare import compare
from bench.commands.derive import derive
from bench.commands.explain import explain
from bench.commands.list import list_names
from bench.commands.predict import predict
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.selftest import selftest
from bench.commands.train import train
from bench.commands.verify import verify

app = typer.Typer(
    help="Derivations of the same gradient: measured, verified, reported.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(verify)
app.command()(accuracy)
app.command()(train)
app.command()(check)
app.command()(report)
app.command()(compare)
app.command()(explain)
app.command()(derive)
app.command()(predict)
app.command()(selftest)
app.command("list")(list_names)


_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # click's, wherever Typer keeps it


def main() -> None:
    """The entry point: a user's mistake is one sentence on stderr and exit code 2, never a traceback."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except _UsageError as error:
        _exit(_sentence(error))
    except Exception as error:
        from backprop.errors import BackpropError  # loads NumPy: nothing that --help should wait for

        if not isinstance(error, BackpropError):
            raise
        _exit(str(error))
    else:
        sys.exit(code)


def _exit(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(2)


def _sentence(error: Any) -> str:
    """What Typer has to say about an option or argument, on one line, and where the right ones stand."""
    text = " ".join(error.format_message().split()).rstrip(".?").replace(". Did you", ", did you")
    command = error.ctx.command_path if error.ctx else "backprop"
    return f"{text}; expected what `{command} --help` lists."

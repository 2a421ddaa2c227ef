"""The `backprop` command: the table of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from backprop import __version__
from backprop.bench.commands.accuracy import accuracy
from backprop.bench.commands.check import check
from backprop.bench.commands.compare import compare
from backprop.bench.commands.derive import derive
from backprop.bench.commands.explain import explain
from backprop.bench.commands.list import list_names
from backprop.bench.commands.predict import predict
from backprop.bench.commands.report import report
from backprop.bench.commands.run import run
from backprop.bench.commands.selftest import selftest
from backprop.bench.commands.train import train
from backprop.bench.commands.verify import verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"backprop {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Derivations of the same gradient: measured, verified, reported."""


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

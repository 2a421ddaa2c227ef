"""The `backprop` command: the table of its commands."""

from __future__ import annotations

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

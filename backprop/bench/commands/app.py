"""The `backprop` command: the table of its commands, by purpose."""

from __future__ import annotations

from typing import Annotated

import typer

from backprop import __version__
from backprop.bench.commands import (
    accuracy,
    check,
    compare,
    derive,
    explain,
    init,
    list,
    predict,
    report,
    run,
    selftest,
    train,
    verify,
)
from backprop.bench.commands.command import Command, Group, paragraphs

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""
  backprop explain                      every matrix of a small network
  backprop check mine.py:gradient       is this gradient right?
  backprop run --suite quick            what does each derivation cost?
  backprop COMMAND --help               options and examples of one command
""",
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
    """Compare derivations of the same gradient: their time, memory and accuracy."""


PURPOSES = {
    "Measure and predict": (run, verify, accuracy, predict, selftest),
    "Check your own gradient": (check,),
    "Learn": (explain, derive, train),
    "Read the results of runs": (report, compare),
    "Names and starting files": (list, init),
}
"""By purpose, the modules of the commands. Each has a function of its own name and its EXAMPLES."""

for _purpose, _modules in PURPOSES.items():
    for _module in _modules:
        _name = _module.__name__.rpartition(".")[2]
        _function = getattr(_module, _name)
        app.command(
            _name,
            cls=Command,
            help=paragraphs(_function.__doc__),
            epilog=_module.EXAMPLES,
            rich_help_panel=_purpose,
        )(_function)

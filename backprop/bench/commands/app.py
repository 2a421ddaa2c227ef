"""The `backprop` command: its commands by purpose, and the help and checks of options that all of them share."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from backprop import __version__
from backprop.bench.commands import (
    accuracy,
    check,
    compare,
    derive,
    explain,
    init,
    predict,
    report,
    run,
    selftest,
    train,
    verify,
)
from backprop.bench.commands import list as listing
from backprop.errors import OptionError, shown

_NUMBERS = dict.fromkeys(("N", "PIXELS"), "a whole number") | dict.fromkeys(
    ("ERROR", "FACTOR", "RATE", "SECONDS", "λ"), "a number"
)
"""For options that take numbers: what they expect in words, by the type name that the help shows."""


class _Helpful:
    """A command or a group of commands whose help shows flags without a type, and its examples line by line."""

    epilog: str | None

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; a flag takes no value, so its help names no type."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments in the line of usage; Typer puts braces around those that are required."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]  # type: ignore[misc]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then the examples as they are: Typer would join their lines.

        In a pipe the lines end without the blanks with which Rich fills them.
        """
        examples, self.epilog = self.epilog, None
        piped = None if sys.stdout.isatty() else io.StringIO()
        try:
            with contextlib.redirect_stdout(piped or sys.stdout):
                super().format_help(ctx, formatter)  # type: ignore[misc]
        finally:
            self.epilog = examples
        if piped is not None:
            print("\n".join(line.rstrip() for line in piped.getvalue().splitlines()))
        if examples:
            print(f" Examples:\n\n{examples.strip(chr(10))}\n")


def paragraphs(docstring: str | None) -> str:
    """The text of a help: every paragraph on one line, which the terminal breaks where it is full."""
    return "\n\n".join(" ".join(one.split()) for one in (docstring or "").split("\n\n"))


class Command(_Helpful, TyperCommand):
    """A command that refuses an option of one value that is given twice; Typer would take the last one in silence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises `OptionError` for an option of one value that is given more than once, and for text in the place of a
        number.
        """
        given, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for param, count in Counter[Any](order).items():
            single = param.param_type_name == "option" and not (param.multiple or param.is_flag)
            if single and count > 1 and not ctx.resilient_parsing:
                option = max(param.opts, key=len)
                raise OptionError(f"{option} is given {count} times; expected it once.")
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            wrong: Any = error.param
            got = given.get(wrong.name) if wrong is not None else None
            expected = _NUMBERS.get(wrong.metavar) if isinstance(got, str) else None
            if expected is None:
                raise
            # Zero is the only lower limit that Typer tests here.
            least = " of at least 0" if str(got).lstrip("-").isdigit() else ""
            raise OptionError(
                f"{max(wrong.opts, key=len)} is {shown(str(got))}; expected {expected}{least}."
            ) from None


class Group(_Helpful, TyperGroup):
    """The table of commands."""


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
    "Names and starting files": (listing, init),
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

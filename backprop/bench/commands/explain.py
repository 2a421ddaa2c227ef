"""`backprop explain`: every matrix of a derivation, on numbers small enough to hold in the head."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands.options import Fresh
from backprop.errors import OutputError, UnknownNameError

if TYPE_CHECKING:
    from backprop.explain import Explanation

_FORMATS = {"text": ".txt", "markdown": ".md", "html": ".html", "xlsx": ".xlsx"}


def explain(
    network: Annotated[str, typer.Option(help="Sizes, small ones.")] = "3-4-2",
    batch: Annotated[int, typer.Option(help="Samples of the batch.")] = 2,
    activation: Annotated[str, typer.Option(help="After every hidden layer.")] = "relu",
    loss: Annotated[str, typer.Option(help="cross-entropy or mean-squared-error.")] = "cross-entropy",
    strategy: Annotated[
        str, typer.Option("--strategy", "-s", help="One strategy, or two with a comma between.")
    ] = "full-jacobian,short-form",
    format: Annotated[
        str | None, typer.Option(help="text, markdown, html or xlsx; default: by the file's name, or text.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write into this file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers in it.")] = 10,
    fresh: Fresh = False,
) -> None:
    """Show the forward and the backward pass step by step: formula, shape, numbers, size, zeros, shortcut."""
    import numpy as np

    from backprop import Network
    from backprop.bench.folders import keep
    from backprop.bench.progress import working
    from backprop.explain import example
    from backprop.explain import explain as explain_strategies

    chosen = _format(format, out)
    keep("The file", [out] if out else [], fresh)
    made = Network.parse(network, activation=activation, loss=loss)
    params, samples = example(made, batch, np.random.default_rng(seed))
    with working("explaining"):
        explanation = explain_strategies(
            made, params, samples, [name.strip() for name in strategy.split(",")]
        )
        if out is None:
            text = _rendered(explanation, chosen, _terminal_width())
        else:
            _write(explanation, chosen, out)
            text = f"{out}\n"
    print(text, end="")


def _format(name: str | None, out: Path | None) -> str:
    """The format asked for, or that of the file's name; checked before anything is computed."""

    by_suffix = {suffix: known for known, suffix in _FORMATS.items()}
    if name is None:
        name = by_suffix.get(out.suffix if out else "", "text")
    if name not in _FORMATS:
        raise UnknownNameError("format", name, _FORMATS)
    if name == "xlsx" and out is None:
        raise OutputError("A workbook is no text to print and no file was named; expected --out FILE.xlsx.")
    return name


def _rendered(explanation: Explanation, chosen: str, width: int | None = None) -> str:
    from backprop.explain import render_html, render_markdown, render_text

    if chosen == "text":
        return render_text(explanation, width)
    return render_html(explanation) if chosen == "html" else render_markdown(explanation)


def _write(explanation: Explanation, chosen: str, out: Path) -> None:
    from backprop.bench.output import write_file

    if chosen == "xlsx":
        from backprop.explain.workbook import workbook

        write_file("The explanation", out, workbook(explanation))
    else:
        write_file("The explanation", out, _rendered(explanation, chosen))


def _terminal_width() -> int | None:
    """Of the terminal; None where the output goes elsewhere and lines may be long."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

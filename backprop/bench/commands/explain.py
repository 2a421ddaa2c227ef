"""`backprop explain`: every matrix of a derivation, on numbers small enough to hold in the head."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands.options import Activation, Fresh, LossName, NetworkSizes, OneOrTwoStrategies
from backprop.errors import OutputError

if TYPE_CHECKING:
    from backprop.explain import Explanation

EXAMPLES = """
  backprop explain                       dense matrices beside the short form
  backprop explain -s batched-jacobian,layerwise-vjp --out page.html
  backprop explain --network 2-3-2 --activation tanh --out workbook.xlsx
"""

_SIDE_BY_SIDE = ["full-jacobian", "short-form"]
_FORMATS = {"text": ".txt", "markdown": ".md", "html": ".html", "xlsx": ".xlsx"}


def explain(
    strategy: OneOrTwoStrategies = None,
    network: NetworkSizes = "3-4-2",
    activation: Activation = "relu",
    loss: LossName = "cross-entropy",
    batch: Annotated[
        int,
        typer.Option(metavar="N", help="The number of samples: few, because every number is printed."),
    ] = 2,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The seed of the random parameters, inputs and labels.")
    ] = 10,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            show_default="by the ending of --out, else text",
            help="text, markdown, html or xlsx.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="print it",
            help="Write into this file. Its ending names the format: .txt, .md, .html or .xlsx.",
        ),
    ] = None,
    fresh: Fresh = False,
) -> None:
    """Show every matrix of a derivation on a small network.

    Every step of the forward and the backward pass has its formula, shape, numbers, size and share of zeros, and the
    strategy that avoids it.
    """
    import numpy as np

    from backprop import Network
    from backprop.bench.folders import check_file, format_of
    from backprop.explain import example
    from backprop.explain import explain as explain_strategies

    chosen = format_of(format, out, _FORMATS, "text")
    if chosen == "xlsx" and out is None:
        raise OutputError("A workbook is no text to print and no file was named; expected --out FILE.xlsx.")
    if out is not None:
        check_file("The file", out, (), fresh)
    made = Network.parse(network, activation=activation, loss=loss)
    params, samples = example(made, batch, np.random.default_rng(seed))
    explanation = explain_strategies(made, params, samples, strategy or _SIDE_BY_SIDE)
    if out is None:
        print(_rendered(explanation, chosen, _terminal_width()), end="")
    else:
        _write(explanation, chosen, out)
        print(out)


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

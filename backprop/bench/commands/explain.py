"""`backprop explain`: every matrix of a derivation, on numbers small enough to hold in the head."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import options
from backprop.errors import OutputError

if TYPE_CHECKING:
    from backprop.explain import Explanation

EXAMPLES = """
  backprop explain                       dense matrices beside the short form
  backprop explain -s batched-jacobian,layerwise-vjp --out page.html
  backprop explain --network 2-3-2 --activation tanh --out workbook.xlsx
  backprop explain --values mine.npz --out mine.html
"""

_SAMPLES = 2
_SIDE_BY_SIDE = ["full-jacobian", "short-form"]
_FORMATS = {"text": ".txt", "markdown": ".md", "html": ".html", "xlsx": ".xlsx"}

SmallNetwork = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK",
        show_default="3-4-2, or as --values has it",
        help="A small network by its sizes, 3-4-2, or by its layers, '1x3x3 conv1x2 relu 2'.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="2, or as --values has it",
        help="The number of samples: few, because every number is printed.",
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", min=0, help="The seed of the random parameters, inputs and labels.")
]
OwnNumbers = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="random numbers",
        help="Your own numbers: an .npz file of W1 (i, o), b1 (o,), W2, ..., inputs (n, i) and labels (n,), "
        "the class numbers, or of some of these, as np.savez('mine.npz', W1=W1, inputs=x) writes it. The others "
        "are drawn. The shapes give the network, up to the last W or b, and the batch, unless --network and "
        "--batch do.",
    ),
]


def explain(
    strategy: options.OneOrTwoStrategies = None,
    network: SmallNetwork = None,
    activation: options.Activation = "relu",
    loss: options.LossName = "cross-entropy",
    batch: Samples = None,
    seed: Seed = 10,
    format: Annotated[str | None, options.format_option(_FORMATS)] = None,
    out: Annotated[Path | None, options.file_option(_FORMATS)] = None,
    values: OwnNumbers = None,
    fresh: options.Fresh = False,
) -> None:
    """Show every matrix of a derivation on a small network.

    Every step of the forward and the backward pass has its formula, shape, numbers, size and share of zeros, and the
    strategy that avoids it.
    """
    from backprop import Network
    from backprop.bench.files import check_file, format_of, write_file
    from backprop.bench.progress import Progress
    from backprop.explain import Values, read_values
    from backprop.explain import explain as explain_strategies

    chosen = format_of(format, out, _FORMATS, "text")
    if chosen == "xlsx" and out is None:
        raise OutputError("A workbook is no text to print and no file was named; expected --out FILE.xlsx.")
    if out is not None:
        check_file(out, (), fresh)
    own = Values() if values is None else read_values(values)
    made = Network.parse(own.sizes() if network is None else network, activation=activation, loss=loss)
    n = (own.samples or _SAMPLES) if batch is None else batch
    params, samples, origin = own.complete(made, n, seed)
    with Progress("explaining"):
        explanation = explain_strategies(made, params, samples, strategy or _SIDE_BY_SIDE, origin)
        width = shutil.get_terminal_size().columns if out is None else None
        content = _rendered(explanation, chosen, width)
        if out is not None:
            write_file("The explanation", out, content)
    print(f"{out}\n" if out is not None else content, end="")


def _rendered(explanation: Explanation, chosen: str, width: int | None) -> str | bytes:
    from backprop.explain import render_html, render_markdown, render_text

    if chosen == "xlsx":
        from backprop.explain.workbook import workbook

        return workbook(explanation)
    if chosen == "text":
        return render_text(explanation, width)
    return render_html(explanation) if chosen == "html" else render_markdown(explanation)

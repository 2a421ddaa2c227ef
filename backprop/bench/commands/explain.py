"""`backprop explain`: every matrix of a derivation, on numbers small enough to hold in the head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands.options import Fresh
from backprop.errors import OutputError, UnknownNameError

if TYPE_CHECKING:
    from backprop.explain import Explanation

_FORMATS = {"text": ".txt", "markdown": ".md", "html": ".html", "xlsx": ".xlsx"}


def explain(
    context: typer.Context,
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
    values: Annotated[
        Path | None,
        typer.Option(
            help="Your own numbers: an .npz file of W1 (i, o), b1 (o,), W2, ..., inputs (n, i) and labels (n,), "
            "the class numbers, or of some of these, as np.savez('mine.npz', W1=W1, inputs=x) writes it. The others "
            "are drawn. The shapes give the network, up to the last W or b, and the batch, unless --network and "
            "--batch do."
        ),
    ] = None,
    fresh: Fresh = False,
) -> None:
    """Show the forward and the backward pass step by step: formula, shape, numbers, size, zeros, shortcut."""
    from backprop import Network
    from backprop.bench.folders import keep
    from backprop.bench.output import terminal_width
    from backprop.explain import Values, read_values
    from backprop.explain import explain as explain_strategies

    chosen = _format(format, out)
    keep("The file", [out] if out else [], fresh)
    own = Values() if values is None else read_values(values)
    sizes = network if _is_given(context, "network") else own.sizes()
    made = Network.parse(sizes, activation=activation, loss=loss)
    n = batch if _is_given(context, "batch") else own.samples or batch
    params, samples, origin = own.complete(made, n, seed)
    explanation = explain_strategies(
        made, params, samples, [name.strip() for name in strategy.split(",")], origin
    )
    if out is None:
        print(_rendered(explanation, chosen, terminal_width()), end="")
    else:
        _write(explanation, chosen, out)
        print(out)


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether the user has written the option."""
    source = context.get_parameter_source(option)
    return source is not None and source.name != "DEFAULT"


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

"""`backprop derive`: SymPy derives a gradient and proves the library's formulas."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop.bench.commands import completion, options
from backprop.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from backprop import Network

EXAMPLES = """
  backprop derive                        softmax and cross-entropy: p - t
  backprop derive gelu --size 2
  backprop derive --network 3-4-2 --out proof.html
"""

_FORMATS = {"text": ".txt", "latex": ".tex", "html": ".html"}

Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        show_default="softmax-cross-entropy",
        autocompletion=completion.subjects,
        help="A layer or a loss that `backprop list` shows, softmax-cross-entropy, or a layer of file.py:Class. "
        "Leave it out where --network is given.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(metavar="N", show_default="3", help="The inputs of the layer, or the classes of the loss."),
]
WholeNetwork = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK",
        help="Derive a whole network instead, by its sizes, 3-4-2, or by its layers, '2 2 tanh 2'. Small ones "
        "take seconds.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="1",
        help="The samples of --network: few, because every sample has symbols of its own.",
    ),
]


def derive(
    what: Subject = None,
    size: Size = None,
    network: WholeNetwork = None,
    activation: options.ActivationIfGiven = None,
    loss: options.LossIfGiven = None,
    batch: Samples = None,
    format: Annotated[str | None, options.format_option(_FORMATS)] = None,
    out: Annotated[Path | None, options.file_option(_FORMATS)] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="The longest that SymPy may take.")] = "60s",
    fresh: options.Fresh = False,
) -> None:
    """Derive a gradient with SymPy, and prove the library's code.

    The code of layers, losses and strategies runs on symbols, so the formula that is proven is the one that the code
    computes. Exit code 1 means that a formula is refuted.
    """
    from backprop import Network
    from backprop.bench.budget import at_most, parse_seconds
    from backprop.bench.files import check_file, format_of, write_file
    from backprop.bench.progress import Progress
    from backprop.errors import need
    from backprop.options import check_count

    need("sympy", "symbolic")

    if what == "network":
        raise OptionError("The network is an option; expected --network 3-4-2 and no name.")
    of_network = {"--activation": activation, "--loss": loss, "--batch": batch}
    _refuse(network is None, of_network, "with --network")
    _refuse(network is not None, {"NAME": what, "--size": size}, "without --network")
    chosen = format_of(format, out, _FORMATS, "text")
    timeout_s = parse_seconds("timeout", timeout)
    check_count("inputs", size)
    check_count("samples", batch)
    subject: str | Network
    if network is None:
        subject = _known(what or "softmax-cross-entropy")
    else:
        subject = Network.parse(network, activation=activation or "relu", loss=loss or "cross-entropy")
    if out is not None:
        check_file(out, (), fresh)
    number = (size or 3) if network is None else (batch or 1)
    width = shutil.get_terminal_size().columns if out is None else None
    late = OptionError(
        f"SymPy has not finished within {timeout_s:g} s; expected a smaller size, fewer samples or a longer "
        "--timeout."
    )
    with Progress(f"SymPy derives {subject if network is None else 'the network'}"), at_most(timeout_s, late):
        text, holds = _derived(subject, number, chosen, width)
    if out is None:
        print(text, end="")
    else:
        write_file("The derivation", out, text)
        print(out)
    if not holds:
        raise typer.Exit(1)


def _refuse(unfit: bool, options: Mapping[str, object], place: str) -> None:
    """Refuse what was given although it says nothing about what is derived."""
    given = [option for option, value in options.items() if value is not None]
    if unfit and given:
        raise OptionError(f"{' and '.join(given)} was given; expected it only {place}.")


def _known(what: str) -> str:
    """The name of a layer or loss, after a check that there is one; raises `UnknownNameError` or `LoadError`."""
    from backprop.explain.symbolic import SUBJECTS
    from backprop.layers import find_activation

    if what not in SUBJECTS:
        try:
            find_activation("layer", what)
        except UnknownNameError:
            if ":" in what:
                raise
            raise UnknownNameError("layer or loss", what, SUBJECTS) from None
    return what


def _derived(subject: str | Network, number: int, format: str, width: int | None) -> tuple[str, bool]:
    """The derivation as text, which folds at `width`, and whether it holds.

    `number` counts a network's samples, or the inputs of a layer, or the classes of a loss. Raises `BackpropError`
    for code that symbols cannot run through, or that SymPy cannot decide.
    """
    from backprop.explain import symbolic

    if isinstance(subject, str):
        derivation = symbolic.derive(subject, number)
    else:
        derivation = symbolic.derive_network(subject, number)
    if format == "text":
        return symbolic.render_text(derivation, width), derivation.holds
    render = symbolic.render_latex if format == "latex" else symbolic.render_html
    return render(derivation), derivation.holds

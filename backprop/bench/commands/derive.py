"""`backprop derive`: SymPy derives a gradient and proves the library's formulas."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer

from backprop.bench.commands.options import Fresh
from backprop.errors import BackpropError, OptionError, UnknownNameError

_FORMATS = ("text", "latex", "html")


def derive(
    what: Annotated[
        str, typer.Argument(help="A layer, softmax-cross-entropy, mean-squared-error, or network.")
    ] = "softmax-cross-entropy",
    sizes: Annotated[str | None, typer.Argument(help="Of a network: 3-4-2.")] = None,
    size: Annotated[int, typer.Option(help="Inputs of a layer, classes of a loss.")] = 3,
    batch: Annotated[int, typer.Option(help="Samples of a network.")] = 1,
    activation: Annotated[str, typer.Option(help="Of a network, after every hidden layer.")] = "relu",
    loss: Annotated[str, typer.Option(help="Of a network.")] = "cross-entropy",
    format: Annotated[str, typer.Option(help="text, latex or html.")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write into this file.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that SymPy may take.")] = 60.0,
    fresh: Fresh = False,
) -> None:
    """Derive a gradient step by step and prove that the library's code computes it; exit 1 where it does not."""
    from backprop import Network
    from backprop.bench.folders import keep
    from backprop.bench.output import write_file
    from backprop.bench.progress import working
    from backprop.explain.extras import need
    from backprop.options import check_count

    need("sympy", "symbolic")

    from backprop.explain.symbolic import SUBJECTS
    from backprop.layers import find_activation

    if what not in (*SUBJECTS, "network"):
        try:
            find_activation("layer", what)
        except UnknownNameError:
            if ":" in what:
                raise
            raise UnknownNameError("layer", what, [*SUBJECTS, "network"]) from None
    if format not in _FORMATS:
        raise UnknownNameError("format", format, _FORMATS)
    if what != "network" and sizes is not None:
        raise OptionError(f"The sizes {sizes!r} were given for {what}; expected them after network alone.")
    if not timeout > 0:
        raise OptionError(f"The timeout is {timeout:g} s; expected more than zero.")
    network = Network.parse(sizes or "3-4-2", activation=activation, loss=loss) if what == "network" else None
    keep("The file", [out] if out else [], fresh)
    check_count("inputs", size)
    check_count("samples", batch)
    with working(f"SymPy derives {what}"):
        text, holds = _within(timeout, what, network, size, batch, format)
    if out is None:
        print(text, end="")
    else:
        write_file("The derivation", out, text)
        print(out)
    if not holds:
        raise typer.Exit(1)


def _within(timeout: float, *arguments: object) -> tuple[str, bool]:
    """The derivation, made in a process of its own: SymPy cannot be interrupted where it is."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(sender, *arguments), daemon=True)
    worker.start()
    sender.close()
    try:
        if not receiver.poll(timeout):
            raise OptionError(
                f"SymPy has not finished within {timeout:g} s; expected a smaller size, fewer samples or a longer "
                "--timeout."
            )
        text, holds, failed = receiver.recv()
    except EOFError:
        raise OptionError(
            "SymPy's process has ended without a result; expected a size that fits into memory."
        ) from None
    finally:
        worker.kill()
        worker.join()
    if failed:
        raise BackpropError(text)
    return text, holds


def _work(sender: Connection, what: str, network: object, size: int, batch: int, format: str) -> None:
    from backprop import Network
    from backprop.explain import symbolic

    try:
        if isinstance(network, Network):
            derivation = symbolic.derive_network(network, batch)
        else:
            derivation = symbolic.derive(what, size)
        render = {"latex": symbolic.render_latex, "html": symbolic.render_html}.get(
            format, symbolic.render_text
        )
        sender.send((render(derivation), derivation.holds, False))
    except BackpropError as error:  # of code that symbols cannot run through, or that SymPy cannot decide
        sender.send((str(error), False, True))

"""The one style of all pictures, and how they become files: SVG for pages, PDF for papers, the same bytes each time.

Colours are those of Okabe and Ito (2008), told apart by the colour-blind; every line has a marker of its own, too.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
PREDICTED = "#9ecae1"
MARKERS = "osD^vPX"
SUFFIXES = (".svg", ".pdf")

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.markersize": 5,
    "lines.linewidth": 1.5,
    "errorbar.capsize": 2.5,
    "svg.hashsalt": "backprop",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # fonts that a publisher can embed
}


def look(k: int) -> dict[str, Any]:
    """Colour and marker of the k-th line."""
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}


@contextlib.contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of so many inches in this style; what is drawn and saved inside is in it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def files(figure: Figure, name: str) -> dict[str, bytes]:
    """The figure as name.svg and name.pdf, without a date."""
    return {
        f"{name}.svg": as_svg(figure),
        f"{name}.pdf": _saved(figure, "pdf", {"CreationDate": None}),
    }


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, without a date."""
    return _saved(figure, "svg", {"Date": None})


def logarithmic(axes: Axes, x: str, y: str) -> None:
    """Two logarithmic axes with their labels, a line at every decade."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, which="major")


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()

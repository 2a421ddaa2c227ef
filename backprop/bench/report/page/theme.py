"""The look of every chart: colours are properties of page.css, so that one chart does for light, dark and paper."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]
"""A chart as Vega-Lite has it."""

_TEXT, _DIM, _LINE = "var(--text)", "var(--dim)", "var(--line)"

CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _DIM,
        "titleColor": _TEXT,
        "gridColor": _LINE,
        "domainColor": _DIM,
        "tickColor": _DIM,
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": _DIM, "titleColor": _TEXT, "labelFontSize": 12, "titleFontSize": 12},
    "text": {"color": _TEXT, "fontSize": 13},
    "point": {"size": 70, "strokeWidth": 1.5},
    "rule": {"color": _TEXT},
}

LOG: Spec = {"type": "log"}
_DECADE = "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6"
_DECADES: Spec = {
    "labelOverlap": True,
    "gridOpacity": {"condition": {"test": _DECADE, "value": 1}, "value": 0.3},
}


def _decades(*scales: tuple[float, str]) -> Spec:
    """An axis labelled at powers of ten alone, with the largest unit that is not above the value."""
    words = f"format(datum.value / {scales[-1][0]}, ',~r') + ' {scales[-1][1]}'"
    for size, unit in reversed(scales[:-1]):
        words = f"datum.value >= {0.999 * size} ? format(datum.value / {size}, ',~r') + ' {unit}' : {words}"
    return {**_DECADES, "labelExpr": f"{_DECADE} ? ({words}) : ''"}


SECONDS = _decades((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = _decades((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
SPEEDS = _decades((1e12, "TF/s"), (1e9, "GF/s"), (1e6, "MF/s"), (1.0, "F/s"))
PLAIN = _decades((1.0, ""))
POWERS: Spec = {**_DECADES, "labelExpr": f"{_DECADE} ? format(datum.value, '.0e') : ''"}
"""An axis labelled 1e-9, 1e-6: for errors and steps."""
COUNTS: Spec = {"format": ".3~s", "labelOverlap": True}


def chart(description: str, height: int, **parts: Any) -> Spec:
    """A chart as wide as its box; `description` is what a screen reader says of it."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": CONFIG,
        **parts,
    }


def tooltip(**fields: str) -> list[Spec]:
    """What a mark says when it is pointed at: the title of each field of text."""
    return [
        {"field": field, "title": title.replace("_", " "), "type": "nominal"}
        for title, field in fields.items()
    ]


def look() -> Spec:
    """Colour and shape as the data name them."""
    return {
        "color": {"field": "colour", "type": "nominal", "scale": None},
        "shape": {"field": "shape", "type": "nominal", "scale": None},
    }

"""Fields and axes of charts, as Vega-Lite has them."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]
"""A chart, or a part of one, as Vega-Lite has it."""


def nominal(field: str, **more: Any) -> Spec:
    """The channel of a field of names or texts."""
    return {"field": field, "type": "nominal", **more}


def quantitative(field: str, **more: Any) -> Spec:
    """The channel of a field of numbers."""
    return {"field": field, "type": "quantitative", **more}


LOG: Spec = {"type": "log"}
_DECADE = "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6"
_DECADES: Spec = {
    "labelOverlap": True,
    "labelSeparation": 4,
    "gridOpacity": {"condition": {"test": _DECADE, "value": 1}, "value": 0.3},
}


def _decades(*scales: tuple[float, str]) -> Spec:
    """An axis with labels at powers of ten alone, in the largest unit that is not above the value."""
    words = f"format(datum.value / {scales[-1][0]}, ',~r') + ' {scales[-1][1]}'"
    for size, unit in reversed(scales[:-1]):
        words = f"datum.value >= {0.999 * size} ? format(datum.value / {size}, ',~r') + ' {unit}' : {words}"
    return {**_DECADES, "labelExpr": f"{_DECADE} ? ({words}) : ''"}


SECONDS = _decades((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = _decades((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
SPEEDS = _decades((1e12, "TF/s"), (1e9, "GF/s"), (1e6, "MF/s"), (1.0, "F/s"))
PLAIN = _decades((1.0, ""))
POWERS: Spec = {**_DECADES, "labelExpr": f"{_DECADE} ? format(datum.value, '.0e') : ''"}
"""An axis with labels such as 1e-9: for errors and steps."""
COUNTS: Spec = {"format": ".3~s", "labelOverlap": True}


def logarithmic(field: str, title: str | list[str], axis: Spec, **scale: Any) -> Spec:
    """A position on a logarithmic axis; a title may have several lines."""
    return quantitative(field, scale={**LOG, **scale}, axis={**axis, "title": title})

"""The look of charts: axes for Vega-Lite, and a colour and a shape for every strategy."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backprop import peers, strategies, units
from backprop.finding import modules

# Fields and axes --------------------------------------------------------------------------------------

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


SECONDS = _decades(*units.SECONDS)
BYTES = _decades(*units.BYTES)
SPEEDS = _decades(*units.FLOPS)
PLAIN = _decades((1.0, ""))
POWERS: Spec = {**_DECADES, "labelExpr": f"{_DECADE} ? format(datum.value, '.0e') : ''"}
"""An axis with labels such as 1e-9: for errors and steps."""
COUNTS: Spec = {"format": ".3~s", "labelOverlap": True}


def logarithmic(field: str, title: str | list[str], axis: Spec, **scale: Any) -> Spec:
    """A position on a logarithmic axis; a title may have several lines."""
    return quantitative(field, scale={**LOG, **scale}, axis={**axis, "title": title})


# Strategies -------------------------------------------------------------------------------------------

_COLOURS = 7
"""Custom properties --s0 to --s6 of page.css, after Okabe and Ito (2008): the colour-blind tell them apart."""
_SHAPES = (  # \ufe0e asks for a character of text, where a phone would show a picture
    ("circle", "●"),
    ("square", "■"),
    ("diamond", "◆"),
    ("triangle-up", "▲"),
    ("triangle-down", "▼"),
    ("cross", "✚"),
    ("triangle-right", "▶\ufe0e"),
    ("triangle-left", "◀\ufe0e"),
)


@dataclass(frozen=True)
class Look:
    """How a strategy is drawn: its colour as CSS, its shape as Vega names it, and that shape as a character."""

    colour: str
    shape: str
    sign: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of every name; no two of up to 56 names share both colour and shape.

    A strategy or peer of this package has the same look in every chart; other names have those that follow.
    """
    wanted, own = list(dict.fromkeys(names)), _own_places()
    others = [name for name in wanted if name not in own]
    places = own | {name: len(own) + k for k, name in enumerate(others)}
    return {name: _look(places[name]) for name in wanted}


def _look(place: int) -> Look:
    return Look(f"var(--s{place % _COLOURS})", *_SHAPES[place % len(_SHAPES)])


@functools.cache
def _own_places() -> dict[str, int]:
    """The strategies of this package in the order of the ladder, then its peers, each with its number."""
    names = []
    for package in (strategies, peers):
        files = modules(package.__name__, list(package.__path__))
        found = [one for file in files for one in getattr(file, "STRATEGIES", ())]
        names += [str(one.name) for one in sorted(found, key=lambda one: (one.rung, one.name))]
    return {name: k for k, name in enumerate(names)}


def channels(names: Iterable[str], legend: dict[str, Any] | None = None) -> dict[str, Any]:
    """The channels colour and shape of marks with a field `strategy`; `legend` is drawn in pictures alone."""
    shown = looks(names)

    def channel(values: list[str]) -> dict[str, Any]:
        scale = {"domain": list(shown), "range": values}
        return nominal("strategy", scale=scale, legend=legend)

    return {
        "color": channel([one.colour for one in shown.values()]),
        "shape": channel([one.shape for one in shown.values()]),
    }

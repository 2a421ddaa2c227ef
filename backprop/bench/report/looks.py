"""How a strategy looks in every chart: a colour and a shape of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backprop import peers, strategies
from backprop.bench.report.axes import nominal
from backprop.finding import modules

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

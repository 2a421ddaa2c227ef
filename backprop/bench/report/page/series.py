"""The look of a strategy: one colour and one shape in every chart, told apart also without seeing colours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_COLOURS = 7
"""Custom properties --s0 to --s6 of page.css, after Okabe and Ito; one set for light and one for dark."""
_SHAPES = (  # \ufe0e: as text, where a phone would show a picture
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
class Series:
    """A strategy's colour as CSS, its shape as Vega names it, and the same shape as a character."""

    name: str
    colour: str
    shape: str
    sign: str


def series_of(names: Iterable[str]) -> dict[str, Series]:
    """By name; the pairs of colour and shape repeat after 56 strategies."""
    found = {}
    for k, name in enumerate(dict.fromkeys(names)):
        shape, sign = _SHAPES[k % len(_SHAPES)]
        found[name] = Series(name, f"var(--s{k % _COLOURS})", shape, sign)
    return found

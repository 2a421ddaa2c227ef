"""Lists of things in words."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 6
"""Things that are shown of a long list."""


def some(things: Iterable[object], most: int = _SHOWN, *, count: bool = False) -> str:
    """The first of them, `a, b, …`; with `count` and how many there are in all."""
    shown = [str(each) for each in things]
    more = f"… ({len(shown)} in all)" if count else "…"
    return ", ".join([*shown[:most], more] if len(shown) > most else shown)


def listed(things: Iterable[object]) -> str:
    """All of them, `a, b and c`."""
    words = list(map(str, things))
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

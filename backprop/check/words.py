"""Words: lists of things in words, and names that may mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from backprop.errors import nearest

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


def describe(value: Any) -> str:
    """Describe a value in a word or two, for a message."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        word = "an array" if type(value) is np.ndarray else f"a {kind}"
        return f"{word} of shape {value.shape} and dtype {value.dtype}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


_BEFORE = "d|g|grad|gradient|del|delta|dl_?d|dj_?d|dloss_?d|dcost_?d|nabla"
_AFTER = "grad|gradient|bar|delta"
"""What the name of a gradient has before or after the parameter's name."""
_ALIKE = 0.6
"""The least share of letters that a misspelt name has in common with the right one: `difflib`'s default."""


def plain(name: str) -> str:
    """A name without what people spell in different ways: capitals, underscores, spaces."""
    return re.sub(r"[_ ]", "", name.casefold())


def is_gradient_of(name: str, of: str) -> bool:
    """Whether `name` is a usual name for the derivative by `of`: dh, d_h, grad_h, h_grad, dL_dh; or h itself."""
    if not name or not of:
        return False
    wanted = re.escape(of)
    return re.fullmatch(f"(?:(?:{_BEFORE})_?)?{wanted}(?:_?(?:{_AFTER}))?", name, re.IGNORECASE) is not None


def same_name(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Match each missing name with another way to write it: `dW1`, `grad_W1`, `w1` or `W_1` for `W1`.

    A missing name that two unknown names could mean is left out.
    """
    same: dict[Any, Any] = {}
    names = [key for key in extra if isinstance(key, str)]
    for key in missing:
        if isinstance(key, str):
            fits = [each for each in names if is_gradient_of(plain(each), plain(key))]
            if len(fits) == 1:
                same[key] = fits[0]
    taken = list(same.values())
    return {key: name for key, name in same.items() if taken.count(name) == 1}


def near_name(missing: list[Any], extra: list[Any]) -> dict[Any, Any]:
    """Match each missing name with an unknown name that may be a misspelling of it: `weigth` for `weight`."""
    near: dict[Any, Any] = {}
    for key in (key for key in missing if isinstance(key, str)):
        left = [other for other in extra if isinstance(other, str) and other not in near.values()]
        match = nearest(key, left, _ALIKE)
        if match is not None:
            near[key] = match
    return near

"""The numbers, options and shape that `Layer.of` is handed, and what is said of those a layer does not take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backprop.errors import NetworkError


def misread(name: str, numbers: Iterable[float], options: Iterable[str], expected: str) -> NetworkError:
    """The error for a layer that is written with other numbers or options than it takes."""
    given = ", ".join([*map(str, numbers), *options]) or "neither numbers nor options"
    return NetworkError(f"The layer {name} got {given}; expected {expected}.")


def misshapen(name: str, shape: tuple[int, ...], expected: str) -> NetworkError:
    """The error for a layer whose inputs have another shape than it takes."""
    return NetworkError(
        f"The layer {name} got inputs of the shape {'x'.join(map(str, shape))}; expected {expected}."
    )


def whole(name: str, key: str, value: Any, least: int = 1) -> int:
    """A number or option of a layer as a whole number from `least` on; raises `NetworkError` for any other."""
    text = str(value)
    if not text.isdecimal() or len(text) > 9 or int(text) < least:
        raise NetworkError(f"The layer {name} got {key} = {text}; expected a whole number from {least} on.")
    return int(text)

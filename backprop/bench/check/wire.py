"""Wire: arguments and answers as they travel between the command and the user's process, never pickled.

A value is a tree of lists, which JSON can hold, and the bytes of its arrays one after another. The user's process
packs what a gradient returned without judging it, so that the checker sees what it would see if it had called the
function: containers, names, dtypes, NaN. The functions that pack are bound before the user's code can replace them.

    ["value", None, true, 3, 0.5 or "text"]     ["complex", real, imaginary]
    ["array", form, dtype, shape]               form: array, list (its `tolist`), object (of floats)
    ["hollow", dtype, shape]                    an array that holds no numbers
    ["mapping", [[key, value], …]]              ["list", […]]   ["tuple", […]]   ["named", type, fields, […]]
    ["other", type, text, number]               any other object; number: its `float`, or None
"""

from __future__ import annotations

import math
import re
import warnings
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np

from backprop.errors import BackpropError

PIPES_CLOSED = 70
"""The user's process ends with this code where it can write no answer any more."""
_DEEPEST, _MOST_TEXT, _MOST_HOLLOW = 32, 1000, 2**24
"""Limits of what is packed: nested containers, characters of a text, entries of an array that holds no numbers."""
_MOST_DIGITS = 4000
"""Python reads no whole number of more than 4,300 digits from text."""
_NUMERIC = "iufb"
_DTYPE = re.compile(r"[<>|=][a-zA-Z]\d{1,3}")

# Bound here: a user's file may replace them in NumPy.
_array, _asarray, _contiguous, _bytes = np.array, np.asarray, np.ascontiguousarray, np.dtype("u1")
_ndarray, _generic, _float64 = np.ndarray, np.generic, np.float64
_catch, _ignore = warnings.catch_warnings, warnings.simplefilter


class WireError(BackpropError):
    """The other process sent something that is no value."""


class Other:
    """Stands in for an object of the user's process: a generator, a Decimal. Its type has the same name there."""

    def __init__(self, text: str, number: float | None) -> None:
        self._text, self._number = text, number

    def __repr__(self) -> str:
        return self._text

    def __float__(self) -> float:
        if self._number is None:
            raise TypeError(f"{self._text} is no number")
        return self._number


# Packing ----------------------------------------------------------------------------------------------


def pack(value: Any) -> tuple[list[Any], list[memoryview]]:
    """The value as a tree and the bytes of its arrays; an object that cannot be looked at is packed by its name."""
    parts: list[memoryview] = []
    return _pack(value, parts, 0), parts


def _pack(value: Any, parts: list[memoryview], depth: int) -> list[Any]:
    begun = len(parts)
    try:
        return _plain(value) or _packed(value, parts, depth)
    except Exception:  # of whatever kind: it is the user's object that raised it
        del parts[begun:]
        return _other(value)


def _plain(value: Any) -> list[Any] | None:
    """Python's own numbers and text."""
    kind = type(value)
    if value is None or kind in (bool, float):
        return ["value", value]
    if kind is int:
        return ["value", value] if abs(value) < 10**_MOST_DIGITS else None
    if isinstance(value, str):
        return ["value", str(value)[:_MOST_TEXT]]
    if kind is complex:
        return ["complex", value.real, value.imag]
    return None


def _packed(value: Any, parts: list[memoryview], depth: int) -> list[Any]:
    if depth > _DEEPEST or isinstance(value, bytes | bytearray | memoryview):
        return _other(value)
    if isinstance(value, Mapping):
        pairs = [
            [_pack(key, parts, depth + 1), _pack(child, parts, depth + 1)] for key, child in value.items()
        ]
        return ["mapping", pairs]
    if isinstance(value, list) and (numbers := _numbers_of(value)) is not None:
        return _packed_array(numbers, "list", parts)
    if isinstance(value, list | tuple):
        children = [_pack(child, parts, depth + 1) for child in value]
        if isinstance(value, list):
            return ["list", children]
        fields = getattr(value, "_fields", None)
        return ["tuple", children] if fields is None else ["named", _type(value), [*fields], children]
    if isinstance(value, _ndarray | _generic):
        return _packed_array(_asarray(value), "array", parts)
    if hasattr(value, "toarray"):  # a sparse matrix
        return _packed_array(_asarray(value.toarray()), "array", parts)
    array = _asarray(value.detach() if hasattr(value, "detach") else value)
    if array.dtype.kind == "O" and array.ndim == 0:
        return _other(value)
    return _packed_array(array, "array", parts)


def _numbers_of(value: list[Any]) -> Any:
    """The array that a list of numbers or of lists of numbers is; None for any other list."""
    try:
        with _catch():
            _ignore("ignore")
            array = _array(value)
    except Exception:  # it is ragged, or holds objects that raise
        return None
    return array if array.dtype.kind in _NUMERIC else None


def _packed_array(array: Any, form: str, parts: list[memoryview]) -> list[Any]:
    if array.dtype.kind == "O" and form == "array":
        try:
            array, form = array.astype(_float64), "object"
        except Exception:  # of whatever kind: the user's objects are converted
            return ["hollow", "|O8", [*array.shape]]
    if array.dtype.kind not in _NUMERIC + "c":
        return ["hollow", array.dtype.str, [*array.shape]]
    parts.append(_contiguous(array).reshape(-1).view(_bytes).data)
    return ["array", form, array.dtype.str, [*array.shape]]


def _other(value: Any) -> list[Any]:
    try:
        text = " ".join(repr(value).split())[:_MOST_TEXT]
    except Exception:  # it is the user's
        text = f"<{_type(value)}>"
    try:
        number = float(value) if hasattr(type(value), "__float__") else None
    except Exception:  # it is the user's
        number = None
    return ["other", _type(value), text, number]


def _type(value: Any) -> str:
    return str(type(value).__name__)[:_MOST_TEXT]


# Unpacking --------------------------------------------------------------------------------------------


def unpack(tree: Any, data: bytearray) -> Any:
    """The value of a tree and its bytes, each array in memory of its own; raises `WireError` where it is none."""
    try:
        value, end = _unpack(tree, memoryview(data), 0)
        if end != len(data):
            raise ValueError(end)
    except _MISTAKES as error:
        raise WireError("The process sent no value that can be read; expected one.") from error
    return value


_MISTAKES = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def _unpack(tree: Any, data: memoryview, at: int) -> tuple[Any, int]:
    """The value, and where the bytes of the next one begin."""
    kind, *rest = tree
    if kind == "array":
        form, dtype, shape = rest
        return _unpack_array(form, dtype, shape, data, at)
    if kind == "mapping":
        found = {}
        for key_tree, child_tree in rest[0]:
            key, at = _unpack(key_tree, data, at)
            found[key], at = _unpack(child_tree, data, at)
        return found, at
    if kind in ("list", "tuple", "named"):
        children = []
        for child in rest[-1]:
            value, at = _unpack(child, data, at)
            children.append(value)
        if kind == "list":
            return children, at
        if kind == "tuple":
            return tuple(children), at
        make: Any = namedtuple  # its fields are known only now
        return make(*rest[:2])._make(children), at
    return _unpack_lone(kind, *rest), at


def _unpack_lone(kind: str, *rest: Any) -> Any:
    if kind == "value" and (rest[0] is None or isinstance(rest[0], bool | int | float | str)):
        return rest[0]
    if kind == "complex":
        return complex(float(rest[0]), float(rest[1]))
    if kind == "hollow":
        return _hollow(*rest)
    if kind == "other":
        name, text, number = rest
        made = type(str(name) or "object", (Other,), {})
        return made(str(text), None if number is None else float(number))
    raise ValueError(kind)


def _hollow(dtype: str, shape: Any) -> Any:
    lengths = _shape(shape)
    if math.prod(lengths) > _MOST_HOLLOW:
        raise ValueError(shape)
    known = bool(_DTYPE.fullmatch(dtype)) and np.dtype(dtype).kind != "O"
    nothing = np.zeros((), dtype) if known else np.full((), Other("an object", None), object)
    return np.broadcast_to(nothing, lengths)


def _unpack_array(form: str, dtype: str, shape: Any, data: memoryview, at: int) -> tuple[Any, int]:
    lengths = _shape(shape)
    end = at + _dtype(dtype).itemsize * math.prod(lengths)
    if end > len(data):  # before any memory is taken
        raise ValueError(shape)
    array = np.empty(lengths, _dtype(dtype))
    array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data[at:end], np.uint8)
    if form == "list":
        return array.tolist(), end
    return (array.astype(object) if form == "object" else array), end


def _dtype(text: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(text) or np.dtype(text).kind not in _NUMERIC + "c":
        raise ValueError(text)
    return np.dtype(text)


def _shape(shape: Any) -> tuple[int, ...]:
    if not all(type(length) is int and length >= 0 for length in shape) or math.prod(shape) >= 2**60:
        raise ValueError(shape)
    return tuple(shape)

"""Lists of names as a user gives them to an option: `-s a -s b`, `-s a,b`, or both. `file.py:Class` is one name."""

from __future__ import annotations

from collections.abc import Iterable

from backprop.errors import OptionError, is_file, shown


def split_names(values: Iterable[str]) -> list[str]:
    """The names in all values, separated at commas; a file target whose path has a comma in it stays whole."""
    return [name for value in values for name in _split(value)]


def one_name(option: str, value: str) -> str:
    """The value, for an option that takes one name; raises `OptionError` where it is a list."""
    if len(_split(value)) > 1:
        raise OptionError(f"{option} is {shown(value)}; expected one name.")
    return value


def _split(value: str) -> list[str]:
    path, colon, name = value.rpartition(":")
    if colon and name.isidentifier() and is_file(path):
        return [value]
    return [part.strip() for part in value.split(",")]

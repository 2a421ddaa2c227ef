"""What can go wrong through no fault of the program: one class per kind, one sentence per message.

Every message says what was wrong, what was got and what was expected. The command line prints it and
exits with code 2; code that calls the library may catch `BackpropError` for all of them.
"""

from __future__ import annotations

import difflib
import importlib
import os
import reprlib
from collections.abc import Iterable
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_LONGEST_NAME = 100


def shown(value: object) -> str:
    """The value as a message shows it: its repr, with the middle left out where it is long or nested deep."""
    return _SHORT.repr(value)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file of that name; False for a name that no file can have."""
    try:
        return os.path.isfile(path)  # noqa: PTH113  # which asks for any name, where Path raises
    except ValueError:
        return False


def install_line(extra: str) -> str:
    """The command that installs an optional part, given in the project's folder: the package is on no index."""
    return f"pip install -e '.[{extra}]'"


def nearest(got: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The name that is most like a given one, regardless of case; None if none is alike.

    cutoff: the least share of letters that both must have in common, as `difflib` counts it.
    """
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(got.casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


class BackpropError(Exception):
    """Base of every error that this package raises on purpose."""


class UnknownNameError(BackpropError, KeyError):
    """A name that is not in its table; the message offers the nearest one."""

    __str__ = Exception.__str__  # KeyError's would put the message in quotes

    def __init__(self, kind: str, got: object, known: Iterable[str]) -> None:
        names = sorted(known)
        if not names:
            super().__init__(f"Unknown {kind} {shown(got)}; expected one that is there, and there is none.")
            return
        near = nearest(str(got)[:_LONGEST_NAME], names)
        hint = f"did you mean {near!r}? Known" if near else "expected one of"
        super().__init__(f"Unknown {kind} {shown(got)}; {hint}: {', '.join(names)}.")


class ShapeError(BackpropError, ValueError):
    """An array whose shape does not fit the network or the other arrays."""


class DtypeError(BackpropError, TypeError):
    """An array or a setting of a dtype that is not supported, or two that do not match."""


class LabelError(BackpropError, ValueError):
    """Labels that are not class numbers of the network."""


class NonFiniteError(BackpropError, ValueError):
    """NaN or infinity where finite numbers are needed."""


class WholeNumberError(BackpropError, ValueError):
    """Numbers that are to be whole and in a range, such as the words of an embedding, and are not."""


class OverflowedError(BackpropError, ArithmeticError):
    """A loss or gradient that is not finite although parameters and inputs are: a number overflowed on the way."""


class NetworkError(BackpropError, ValueError):
    """A description of a network that cannot be built."""


class UnsupportedError(BackpropError, NotImplementedError):
    """A strategy, layer or loss asked for a form that it does not have."""


class UnavailableError(BackpropError, RuntimeError):
    """An outside library that cannot do its work on this machine, such as compile."""


class OptionError(BackpropError, ValueError):
    """An invalid option of a strategy, such as a step of zero or more directions than parameters."""


class CheckError(BackpropError, ValueError):
    """A gradient that cannot be checked: an argument, or the result of a function, does not consist of numbers."""


class BudgetError(BackpropError, ValueError):
    """A memory or time budget that cannot be read or is not positive."""


class ThreadError(BackpropError, ValueError):
    """A thread count that this machine does not have or that a library did not take."""


class DataError(BackpropError, ValueError):
    """A data file that is missing, truncated, oversized, or not what it says it is."""


class OutputError(BackpropError, OSError):
    """A result that cannot be written where it was asked for."""


class RecordError(BackpropError, ValueError):
    """A results folder or a record in it that cannot be read."""


class MissingPackageError(BackpropError, ImportError):
    """A package that is not installed; the message names the extra that brings it."""


def need(package: str, extra: str) -> Any:
    """The imported package; raises `MissingPackageError` where it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingPackageError(
            f"The package {package} is not installed; expected what `{install_line(extra)}` in the project's "
            "folder brings."
        ) from error

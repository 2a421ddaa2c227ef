"""What a user's code raises: one sentence, and its traceback cut down to the user's own lines."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backprop.errors import BackpropError, nearest

_OURS = str(Path(__file__).resolve().parents[1])
"""The folder of the package."""
_MOST_SAID, _MOST_LINES = 1000, 20_000
"""Characters of a message and of a traceback that are passed on: a user's exception may hold whole arrays."""


class UserError(BackpropError):
    """An exception of the user's code.

    lines: its traceback, cut down; is_memory_error: it is a `MemoryError`; kinds: the names of its class and of those
    above it.
    """

    def __init__(
        self, sentence: str, lines: str, is_memory_error: bool = False, kinds: Sequence[str] = ()
    ) -> None:
        super().__init__(sentence)
        self.lines = lines
        self.is_memory_error = is_memory_error
        self.kinds = list(kinds)


def user_error(error: BaseException, what: str, params: Mapping[str, Any] | None = None) -> UserError:
    """The error as a sentence, `what` being its subject and verb."""
    if isinstance(error, SystemExit):
        said = f"it called exit({'' if error.code is None else repr(error.code)})"
    else:
        said = one_line(error)
    hint = _near_key(error, params)
    return UserError(
        f"{what}: {said}; expected {hint or 'code that runs to its end'}.",
        shortened(error)[-_MOST_LINES:],
        isinstance(error, MemoryError),
        [kind.__name__ for kind in type(error).__mro__],
    )


def one_line(error: BaseException) -> str:
    """The type and the message of an exception, on one line."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # the message of a user's exception is made by the user's code
        text = type(error).__name__
    return " ".join(text[:_MOST_SAID].split()).rstrip(".: ")


def shortened(error: BaseException) -> str:
    """The traceback with the frames of the user's files alone."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    frames = [frame for frame in shown.stack if _is_users(frame.filename)]
    for frame in frames:
        frame.filename = _relative(frame.filename)
    if isinstance(error, SyntaxError) and error.filename:
        shown.filename = _relative(error.filename)
    lines = ["Traceback (your lines):\n"] if frames else []
    lines += traceback.StackSummary.from_list(frames).format()
    lines += shown.format_exception_only()
    return "".join(lines).rstrip("\n")


def _near_key(error: BaseException, params: Mapping[str, Any] | None) -> str:
    """Where a parameter is looked up under a name that it has not: the names that there are."""
    if not isinstance(error, KeyError) or not isinstance(params, Mapping) or not error.args:
        return ""
    if error.args[0] in params:
        return ""
    near = nearest(str(error.args[0]), params)
    meant = f" (did you mean {near!r}?)" if near else ""
    return f"one of the parameters {', '.join(params)}{meant}"


def _is_users(filename: str) -> bool:
    """Whether a file is neither ours, nor Python's, nor an installed package's."""
    if filename.startswith("<"):
        return False
    path = str(Path(filename).resolve())
    foreign = (_OURS, *(sysconfig.get_path(key) for key in ("stdlib", "purelib", "platlib")))
    return not path.startswith(foreign) and not filename.startswith(sys.exec_prefix + "/lib")


def _relative(filename: str) -> str:
    path = Path(filename)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return filename

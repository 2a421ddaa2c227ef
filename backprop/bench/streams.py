"""Standard output and standard error as they are: some take no θ or ÷, some are closed, some lose their reader.

What an encoding cannot take is printed in a readable way: theta for θ, / for ÷. The letters of the Greek alphabet go
by their names, letters with marks and letters of other kinds (ℝ, ₂, ĝ) by the plain ones that Unicode gives for them.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

HOW = "readable"
"""The name of this way to encode, as `str.encode(…, errors=HOW)` takes it."""
READER_GONE = 141
"""The exit code of a command whose output nobody reads any more: 128 + SIGPIPE, as a shell gives it."""

_SIGNS = {
    "÷": "/", "×": "x", "·": "*", "∙": "*", "⋅": "*", "−": "-", "±": "+/-", "≈": "~", "≠": "!=", "≤": "<=", "≥": ">=",
    "∂": "d", "∇": "grad ", "Σ": "sum", "∑": "sum", "∏": "prod", "√": "sqrt ", "∞": "inf", "‖": "||", "∈": "in",
    "⊙": "*", "⊗": "(x)", "→": "->", "←": "<-", "↦": "->", "⇒": "=>", "⁄": "/", "∣": "|", "λ": "lambda", "µ": "u",
    "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "✓": "ok", "✗": "x", "°": " deg",
    "∓": "-/+", "∝": "~", "⟨": "<", "⟩": ">",
    "∘": "o", "′": "'", "⌊": "floor(", "⌋": ")", "∫": "int ", "•": "*", "●": "*",
}  # fmt: skip
_GREEK = "GREEK SMALL LETTER ", "GREEK CAPITAL LETTER "


def plain(text: str) -> str:
    """The text in ASCII, as readable as that can be; what has no likeness there is written as \\u4e2d."""
    out: list[str] = []
    kind = ""
    for sign in text:
        before, kind = kind, unicodedata.decomposition(sign).partition(" ")[0]
        index = {"<super>": "^", "<sub>": "_"}.get(kind, "")
        out.append((index if kind != before else "") + _plain_sign(sign))
    return "".join(out)


def _plain_sign(sign: str) -> str:
    if sign.isascii() or unicodedata.combining(sign):
        return sign * sign.isascii()
    if sign in _SIGNS:
        return _SIGNS[sign]
    name = unicodedata.name(sign, "")
    for start, cased in zip(_GREEK, (str.lower, str.title), strict=True):
        if name.startswith(start):
            return cased(name.removeprefix(start).partition(" ")[0])
    if name.startswith("BOX DRAWINGS "):
        return {"HORIZONTAL": "-", "VERTICAL": "|"}.get(name.rpartition(" ")[2] * (" AND " not in name), "+")
    parts = [part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)]
    if parts != [sign]:
        return "".join(map(_plain_sign, parts))
    return sign.encode("ascii", "backslashreplace").decode("ascii")


def _encoded(error: UnicodeError) -> tuple[str, int]:
    """What `codecs` asks for where an encoding cannot take a part of a text."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


codecs.register_error(HOW, _encoded)


def readable(text: str, console: Console) -> str:
    """The text as the console can print it, for whoever must know its width before."""
    return text.encode(console.encoding, HOW).decode(console.encoding)


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """While it lasts everything can be printed: what an encoding cannot take, and where a stream is closed.

    Where the reader has gone (`backprop list | head -1`), the command ends in silence with the code `READER_GONE`;
    where there is no room for the output, with a sentence and code 2.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell has closed it: backprop list >&-
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(AttributeError):  # not a file of Python's own
            getattr(sys, name).reconfigure(errors=HOW)
    out = sys.stdout
    try:
        try:
            yield
        finally:
            out.flush()
    except (OSError, SystemExit) as ended:
        # Typer makes an exit with code 1 of a broken pipe.
        reason = ended if isinstance(ended, OSError) else ended.__context__
        if isinstance(reason, BrokenPipeError):
            _print_nowhere(sys.__stdout__, sys.__stderr__)
            sys.exit(READER_GONE)
        if isinstance(reason, OSError) and reason.errno == errno.ENOSPC and reason.filename is None:
            _print_nowhere(sys.__stdout__)
            print(
                f"Error: The output cannot be written: {reason.strerror}; expected more room.",
                file=sys.stderr,
            )
            sys.exit(2)
        raise


def _print_nowhere(*streams: TextIO | None) -> None:
    """Lead the streams nowhere, or Python would try to write the rest at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
    os.close(nowhere)

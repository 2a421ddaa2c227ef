"""Standard output and standard error as they are: some take no θ or ÷, some are closed, some lose their reader."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

READER_GONE = 141
"""The exit code of a command whose output nobody reads any more: 128 + SIGPIPE, as a shell gives it."""


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """While it lasts everything can be printed: what an encoding cannot take becomes ?, a closed stream takes all.

    Where the reader has gone (`backprop list | head -1`), the command ends in silence with the code `READER_GONE`;
    where there is no room for the output, with a sentence and code 2.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell has closed it: backprop list >&-
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(AttributeError):  # not a file of Python's own
            getattr(sys, name).reconfigure(errors="replace")
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

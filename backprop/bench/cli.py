"""The entry point of the `backprop` command: its streams, its exit codes, and the message for a user's mistake.

Exit codes: 0 done, 1 a gradient is wrong, strategies disagree or crash, 2 a mistake of the user, 130 interrupted
(what was measured is kept), 141 nobody reads the output any more (`backprop list | head -1`). A command that has
printed its own message leaves by `sys.exit`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from backprop.bench.commands import INTERRUPTED
from backprop.errors import BackpropError, shown

# Standard output and standard error -------------------------------------------------------

READER_GONE = 141
"""The exit code of a command whose output nobody reads any more: 128 + SIGPIPE, as a shell gives it."""


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """While it lasts, printing works: what the encoding lacks becomes ?, and a closed stream takes everything.

    If the reader has gone (`backprop list | head -1`), the command ends in silence with the code `READER_GONE`; if
    there is no room for the output, with a sentence and code 2.
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
    """Redirect the streams to nowhere: else Python would try to write the rest when it ends, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
    os.close(nowhere)


_LONGEST_SIZES = 40
"""Characters of a network's sizes that a message repeats."""


def main() -> None:
    """Run a command: a user's mistake is one sentence on stderr and exit code 2, never a traceback."""
    with usable_streams():
        _main()


def _main() -> None:
    try:
        _run()
    except (KeyboardInterrupt, RuntimeError) as error:
        # Python 3.11 wraps an exception that __set_name__ raises.
        if not isinstance(error.__cause__ or error, KeyboardInterrupt):
            raise
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except MemoryError as error:
        _exit(f"The memory does not suffice: {error}; expected a smaller network, batch or --memory-budget.")


def _run() -> None:
    import typer  # an interrupt while this loads is one, too

    from backprop.bench.commands.app import app

    usage_error: type[Exception] = typer.BadParameter.__mro__[1]  # click's, wherever Typer keeps it
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="backprop", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except usage_error as error:
        _exit(_sentence(error))
    except BackpropError as error:
        _exit(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        # A name that no system call takes.
        _exit(f"The path {shown(error.filename)} cannot be used: {error.strerror}; expected another one.")
    else:
        if code == INTERRUPTED:  # Typer has seen the interrupt first, and says nothing
            raise KeyboardInterrupt
        sys.exit(code)


def _exit(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(2)


def _sentence(error: Any) -> str:
    """What Typer has to say about an option or argument, on one line, and where the right ones stand."""
    text = " ".join(error.format_message().split()).rstrip(".?").replace(". Did you", ", did you")
    command = error.ctx.command_path if error.ctx else "backprop"
    sizes = re.search(r"extra argument.*\((\d+(?:-\d+)+)\)$", text)
    if sizes and any("--network" in param.opts for param in error.ctx.command.params):
        return f"The network {shown(sizes[1])} is an option; expected --network {sizes[1][:_LONGEST_SIZES]}."
    return f"{text}; expected what `{command} --help` lists."

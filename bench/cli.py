"""The entry point of the `backprop` command, and what becomes of a user's mistake.

Exit codes: 0 done, 1 a gradient is wrong, strategies disagree or crash, 2 a mistake of the user, 130 interrupted
(what was measured is kept).
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn


def main() -> None:
    """Run a command: a user's mistake is one sentence on stderr and exit code 2, never a traceback."""
    try:
        _run()
    except KeyboardInterrupt:
        print("Interrupted; nothing was measured.", file=sys.stderr)
        sys.exit(130)
    except MemoryError as error:
        _exit(f"The memory does not suffice: {error}; expected a smaller network, batch or --memory-budget.")


def _run() -> None:
    import typer  # an interrupt while this loads is one, too

    from bench.commands.app import app

    usage_error: type[Exception] = typer.BadParameter.__mro__[1]  # click's, wherever Typer keeps it
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except usage_error as error:
        _exit(_sentence(error))
    except Exception as error:
        from backprop.errors import BackpropError, shown  # loads NumPy: nothing that --help should wait for

        if isinstance(error, BackpropError):
            _exit(str(error))
        if isinstance(error, OSError) and error.filename is not None:  # a name that no system call takes
            _exit(f"The path {shown(error.filename)} cannot be used: {error.strerror}; expected another one.")
        raise
    else:
        sys.exit(code)


def _exit(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(2)


def _sentence(error: Any) -> str:
    """What Typer has to say about an option or argument, on one line, and where the right ones stand."""
    text = " ".join(error.format_message().split()).rstrip(".?").replace(". Did you", ", did you")
    command = error.ctx.command_path if error.ctx else "backprop"
    return f"{text}; expected what `{command} --help` lists."

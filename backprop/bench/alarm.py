"""Work that is ended when its time is up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class _TimeIsUp(BaseException):
    """Not an `Exception`, so that work which catches the exceptions of the user's code does not catch this one."""


@contextlib.contextmanager
def at_most(seconds: float, late: Exception) -> Iterator[None]:
    """Raise `late` if the work takes longer, on systems that have alarm signals."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeIsUp:
        raise late from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""The longest that this process may compute for one thing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from backprop.errors import BackpropError


class _TimeIsUp(BaseException):
    """No exception that the work may forgive, as a check does those of the user's code."""


@contextlib.contextmanager
def at_most(seconds: float, late: BackpropError) -> Iterator[None]:
    """Raise `late` where the work takes longer, on systems with an alarm clock."""
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

"""What a child does at its beginning: it ends with its parent, and keeps the pipe of its answers to itself."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO

_SET_PDEATHSIG, SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER = 1, 36, 37
"""Options of Linux's prctl, as <linux/prctl.h> numbers them."""


def tie_to_parent() -> None:
    """Let the kernel kill this process when its parent dies, even while it is stopped; Linux only.

    A process below this one whose own parent dies becomes a child of this one, so that the parent finds all of them
    when it ends this one.
    """
    if sys.platform == "linux":
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_SET_PDEATHSIG, signal.SIGKILL)
        prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if os.getppid() == 1:  # the parent was gone before the kernel was told
            sys.exit(1)


def private_output() -> IO[str]:
    """The pipe to the parent; whatever prints to standard output from now on goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers

"""What every child process does first: die when its parent does, and keep its pipe for itself."""

from __future__ import annotations

import os
import sys
from typing import IO


def die_with_parent() -> None:
    """On Linux the kernel kills this process when its parent dies, even while it is stopped."""
    if sys.platform == "linux":
        import ctypes
        import signal

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() == 1:  # the parent was gone before the kernel was told
            sys.exit(1)


def private_output() -> IO[str]:
    """The pipe to the parent; whatever prints to standard output from now on goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers

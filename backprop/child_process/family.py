"""A child process and all that it has started, found and ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from backprop.child_process.child import GET_CHILD_SUBREAPER, SET_CHILD_SUBREAPER

if TYPE_CHECKING:
    import psutil

_END_S = 10.0
"""The longest that ending all of them may take."""
_REAP_S = 1.0
"""The longest that their exit codes are waited for."""
_LOOKS = 3
"""Looks one after another that must find nobody new: a single one misses a process whose parent has just died."""


class Family:
    """A child and all processes that it has started, also those that have left its group and session.

    They are found by who started whom. Where a process in that chain has died, its children belong to the next
    living process above that adopts them: the child (see `backprop.child_process`), or this process if it
    adopts.
    """

    def __init__(self, adopts: bool) -> None:
        self._adopts = adopts and sys.platform == "linux"
        self._child = 0
        self._others: set[int] = set()
        self._adopted_before = _set_adopting(True) if self._adopts else False

    def take_in(self, child: int) -> None:
        """The child has just been started: what else this process has started so far is none of its family."""
        self._child = child
        if self._adopts:
            import psutil

            self._others = {process.pid for process in psutil.Process().children()} - {child}

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill all of them. Each is stopped when it is found, so that none starts others meanwhile."""
        import psutil

        deadline = time.monotonic() + _END_S
        found: dict[int, psutil.Process] = {}
        in_vain = 0
        while in_vain < _LOOKS and time.monotonic() < deadline:
            try:
                new = [each for each in self._living(process) if each.pid not in found]
            except psutil.Error:  # one of them ended while it was looked at
                continue
            in_vain = 0 if new else in_vain + 1
            for each in new:
                found[each.pid] = each
                if hasattr(signal, "SIGSTOP"):
                    with contextlib.suppress(psutil.Error, OSError):
                        each.suspend()
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._child, signal.SIGKILL)
        for each in found.values():
            with contextlib.suppress(psutil.Error):
                each.kill()
        if process.poll() is None:
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        if self._adopts:
            _reap(found.keys() - {self._child})
            _set_adopting(self._adopted_before)

    def _living(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The living members of the family. Raises `psutil.Error` where one ends meanwhile."""
        import psutil

        if self._adopts:
            others = [psutil.Process(number) for number in self._others if psutil.pid_exists(number)]
            foreign = {each.pid for other in others for each in (other, *other.children(recursive=True))}
            everything = psutil.Process().children(recursive=True)
            return [each for each in everything if each.pid not in foreign]
        if process.poll() is None:
            child = psutil.Process(self._child)
            return [child, *child.children(recursive=True)]
        return []


def _reap(process_ids: set[int]) -> None:
    """Collect the exit codes of killed processes that this process has adopted or is about to adopt."""
    import psutil

    deadline = time.monotonic() + _REAP_S
    while process_ids and time.monotonic() < deadline:
        for number in process_ids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(number, os.WNOHANG)
        process_ids = {number for number in process_ids if psutil.pid_exists(number)}
        time.sleep(0.002 if process_ids else 0)


def _set_adopting(wanted: bool) -> bool:
    """Whether this process adopted orphans of its descendants so far; from now on it does as `wanted`."""
    import ctypes

    before = ctypes.c_int(0)
    prctl = ctypes.CDLL(None).prctl
    prctl(GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    return bool(before.value)


def limit_memory(process_id: int, memory_bytes: float | None) -> None:
    """Let allocations beyond the limit fail in that process, before the system has to kill something."""
    if memory_bytes is None or sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):  # beyond a limit that the system sets, or it has died
        limit = int(memory_bytes)
        resource.prlimit(process_id, resource.RLIMIT_DATA, (limit, limit))

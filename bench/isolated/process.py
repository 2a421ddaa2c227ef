"""The parent's handle on a worker: start it, ask it, stop it while it waits, be rid of it whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.threads import thread_variables

START_UP_S = 60.0
"""The longest that a process may take to start, import everything and read the data."""


class WorkerError(Exception):
    """A worker that did not answer as asked; `status` is that of its cell."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class WorkerProcess:
    """One worker. Use it as a context manager; leaving kills it, stopped or not."""

    def __init__(self, threads: int, cores: Sequence[int]) -> None:
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.isolated.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(threads),
            **GROUP_OF_ITS_OWN,
        )
        self.can_stop = hasattr(signal, "SIGSTOP")
        self.pinned = self._pin(cores)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def ask(self, do: str, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Ask for one thing and wait for the answer.

        Raises `WorkerError` where the worker raises, dies, or does not answer in time; it is dead then.
        """
        try:
            assert self._process.stdin is not None
            self._process.stdin.write((json.dumps({"do": do, **message}) + "\n").encode())
            self._process.stdin.flush()
            line = self._read_line(timeout_s)
        except BrokenPipeError:
            line = b""
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.kill()
            said = f"{answer['error']}: {answer['message']}".strip(": ")
            no_memory = answer["is_memory_error"] or _NO_MEMORY.search(said)
            raise WorkerError("out-of-memory" if no_memory else "crashed", " ".join(said.split()))
        return answer

    def stop(self) -> None:
        """Stop the process; where that is not possible its pools are given time to fall asleep."""
        self._signal("SIGSTOP")
        if not self.can_stop:
            time.sleep(_SLEEP_S)

    def resume(self) -> None:
        """Let the process go on."""
        self._signal("SIGCONT")

    def kill(self) -> None:
        """End the process, which may be stopped, and everything that it has started."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (AttributeError, OSError):
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._errors.close()

    @property
    def process_id(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    def _signal(self, name: str) -> None:
        if not self.can_stop:
            return
        try:
            os.kill(self._process.pid, getattr(signal, name))
        except PermissionError:
            self.can_stop = False
        except ProcessLookupError:
            pass  # it has died: the next question will say how

    def _pin(self, cores: Sequence[int]) -> bool:
        """Whether the process runs on these cores alone; some systems have no pinning, or forbid it."""
        if not cores or not hasattr(os, "sched_setaffinity"):
            return False
        try:
            os.sched_setaffinity(self._process.pid, cores)
        except ProcessLookupError:
            return True  # it has died: the first question will say how
        except OSError:
            return False
        return True

    def _read_line(self, timeout_s: float) -> bytes:
        """One line, or nothing where the process ends; raises `WorkerError` when the time is up."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        line = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.kill()
                    raise WorkerError("timed-out", f"no answer within {timeout_s:.3g} s")
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    return b""
                line += piece
        return bytes(line)

    def _died(self) -> WorkerError:
        code = self._process.wait()
        self._errors.seek(0)
        said = [line for line in self._errors.read().splitlines() if line.strip()]
        last = f"; it said: {said[-1].strip()}" if said else ""
        self.kill()
        if code == -signal.SIGKILL:
            return WorkerError(
                "out-of-memory", "the process was killed, as a system does that has no memory left"
            )
        if _NO_MEMORY.search(last):
            return WorkerError("out-of-memory", f"the process gave up{last}")
        if code < 0:
            return WorkerError("crashed", f"the process died of {signal.Signals(-code).name}{last}")
        return WorkerError("crashed", f"the process ended with code {code}{last}")


_SLEEP_S = 0.05
_NO_MEMORY = re.compile(r"bad_alloc|(can't|cannot|could not|unable to) allocate|out of memory", re.IGNORECASE)
GROUP_OF_ITS_OWN: dict[str, Any] = {} if sys.platform == "win32" else {"process_group": 0}
"""A Ctrl-C at the terminal reaches the parent alone. The session stays the parent's: when that dies, POSIX
lets every stopped process of an orphaned group go on with a SIGHUP, which ends it."""


def _environment(threads: int) -> dict[str, str]:
    """The same for every worker: threads fixed, and this project importable wherever it is run from."""
    project = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        **thread_variables(threads),
        "PYTHONPATH": os.pathsep.join([project, inherited] if inherited else [project]),
        "PYTHONHASHSEED": "0",
    }

"""The parent's handle on a child process: questions and answers, stopping and ending."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from backprop.child_process.family import Family, limit_memory
from backprop.child_process.pipes import Capped, Data, put_where_room_is, read, started, write
from backprop.errors import BackpropError

How = Literal["timed-out", "ended", "unreadable"]

MOST_LINE_BYTES = 2**20
"""The longest line that is read as an answer."""
_ASLEEP_S = 0.05
"""What the pools of a process that cannot be stopped take to fall asleep, with some to spare."""
_LOOK_S = 0.2
"""Between two looks at whether a process that is waited for has ended."""
_LAST_WORDS_S = 1.0
"""What a process that is ending, and a thread that reads from it, may take."""

_OWN_GROUP: dict[str, Any] = {} if sys.platform == "win32" else {"process_group": 0}
"""A Ctrl-C at the terminal reaches the parent alone. The session stays the parent's: when that dies, POSIX
lets every stopped process of an orphaned group go on with a SIGHUP, which ends it."""


class ChildError(BackpropError):
    """A child that did not answer as asked; it has been ended.

    how: timed-out; ended, where the process came to its end or closed its pipes; unreadable, where it sent something
    else than an answer. reason: what happened, in words that follow "the process": "died of SIGSEGV". code: the exit
    code of a process that came to its end by itself, below zero the number of the signal that it died of.
    """

    def __init__(self, how: How, reason: str, code: int | None = None) -> None:
        super().__init__(f"The process {reason}; expected an answer.")
        self.how = how
        self.reason = reason
        self.code = code


class ChildProcess:
    """A Python module in a process of its own. Use it as a context manager; leaving ends it.

    The child and its command line are the same wherever the parent was started: the project is importable, and the
    working directory is not searched for modules before it. `variables` are added to the environment.

    memory_bytes: the most memory that the child, and each process that it starts, can take; Linux only. keeps_output:
    whether what is printed to standard error is kept for `printed`, else it goes where this process's goes. adopts:
    whether processes whose parents have died become this process's own while the child lives, so that they end with
    the child; Linux only. This concerns all that this process starts, and is for commands.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        memory_bytes: float | None = None,
        keeps_output: bool = True,
        adopts: bool = False,
    ) -> None:
        self._family = Family(adopts)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_output else None,
            env={**os.environ, "PYTHONPATH": _python_path(), **(variables or {})},
            bufsize=0,
            **_OWN_GROUP,
        )
        self._family.take_in(self._process.pid)
        self.can_stop = hasattr(signal, "SIGSTOP")
        """Whether the process could be stopped so far, each time when it was tried."""
        self._questions: queue.SimpleQueue[Data | None] = queue.SimpleQueue()
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._unread = bytearray()
        self._printed = Capped()
        self._is_over = False
        limit_memory(self._process.pid, memory_bytes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._threads = [
            started(write, self._process.stdin, self._questions),
            started(read, self._process.stdout, lambda piece: put_where_room_is(self._pieces, piece)),
        ]
        if self._process.stderr is not None:
            self._threads.append(started(read, self._process.stderr, self._printed.add))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    # Questions and answers ----------------------------------------------------------------------------

    def send(self, question: Mapping[str, Any], data: Data = ()) -> None:
        """Send a question, with `data` after its line, without waiting for the answer.

        Raises `ChildError` where the child has sent what nobody asked for; it is ended then.
        """
        self._take_what_is_there()
        if self._unread:
            raise self._failed("unreadable", "wrote on the pipe of its answers unasked")
        self._questions.put([(json.dumps(question) + "\n").encode(), *data])

    def receive(self, timeout_s: float, most_bytes: int = MOST_LINE_BYTES) -> dict[str, Any]:
        """Wait for a line of at most `most_bytes`, and read it as an answer.

        Raises `ChildError` where the child does not answer as asked within `timeout_s`; it is ended then.
        """
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if searched > most_bytes:
                break
            self._read_on(deadline, timeout_s)
        if end < 0 or end > most_bytes:
            raise self._failed("unreadable", f"sent an answer longer than {most_bytes} bytes")
        line = self._unread[:end]
        del self._unread[: end + 1]
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._failed("unreadable", "wrote something else than answers on the pipe of its answers")
        return answer

    def receive_bytes(self, count: int, timeout_s: float) -> bytearray:
        """Wait for the `count` bytes that follow an answer's line; raises as `receive` does."""
        deadline = time.monotonic() + timeout_s
        data = bytearray(count)
        filled = 0
        while True:
            taken = min(count - filled, len(self._unread))
            data[filled : filled + taken] = self._unread[:taken]
            del self._unread[:taken]
            filled += taken
            if filled == count:
                return data
            self._read_on(deadline, timeout_s)

    def _read_on(self, deadline: float, timeout_s: float) -> None:
        """Wait for the next piece of an answer."""
        if self._is_over:
            raise ChildError("ended", "has been ended")
        while True:
            ended = self._process.poll() is not None
            left_s = max(0.0, deadline - time.monotonic())
            try:
                piece = self._pieces.get(timeout=min(left_s, _LOOK_S))
            except queue.Empty:
                if ended:  # what it has started may hold its pipe open
                    raise self._ended() from None
                if left_s <= _LOOK_S:
                    raise self._failed("timed-out", f"gave no answer within {timeout_s:.3g} s") from None
                continue
            if not piece:
                raise self._ended()
            self._unread += piece
            return

    def _take_what_is_there(self) -> None:
        with contextlib.suppress(queue.Empty):
            while piece := self._pieces.get_nowait():
                self._unread += piece
            self._pieces.put(piece)  # the end of the pipe stays to be seen by the next who waits

    def _failed(self, how: How, reason: str) -> ChildError:
        self.end()
        return ChildError(how, reason)

    def _ended(self) -> ChildError:
        """The error for an output that has ended: the process has ended, or closed its pipes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        code = self._process.returncode
        self.end()
        return ChildError("ended", "closed its pipes and lived on" if code is None else ending(code), code)

    # Stopping and ending ------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the process; where that is not possible its pools are given time to fall asleep."""
        self._signal("SIGSTOP")
        if not self.can_stop:
            time.sleep(_ASLEEP_S)

    def resume(self) -> None:
        """Let the process go on."""
        self._signal("SIGCONT")

    def pin(self, cores: Sequence[int]) -> bool:
        """Pin the process and all its threads to these cores.

        Returns whether that worked: some systems have no pinning or forbid it.
        """
        if not cores or not hasattr(os, "sched_setaffinity"):
            return False
        try:
            os.sched_setaffinity(self._process.pid, cores)  # what it starts from now on is pinned as well
            for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):  # a thread that has ended meanwhile
                    os.sched_setaffinity(int(thread.name), cores)
        except (ProcessLookupError, FileNotFoundError):
            return True  # it has died: the first question will say how
        except OSError:
            return False
        return True

    def end(self, grace_s: float = 0.0) -> None:
        """End the process, which may be stopped, and everything that it has started.

        With `grace_s` its standard input is closed first, and it has so long to end by itself.
        """
        if self._is_over:
            return
        self._questions.put(None)
        if grace_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._family.kill(self._process)
        self._take_what_is_there()  # the thread that reads may wait for room
        for thread in self._threads:
            thread.join(_LAST_WORDS_S)
        if not any(thread.is_alive() for thread in self._threads):
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()
        self._is_over = True  # last, so that an end that Ctrl-C has interrupted is made anew

    def _signal(self, name: str) -> None:
        if not self.can_stop:
            return
        try:
            os.kill(self._process.pid, getattr(signal, name))
        except PermissionError:
            self.can_stop = False
        except ProcessLookupError:
            pass  # it has died: the next question will say how

    # What is known of it ------------------------------------------------------------------------------

    @property
    def process_id(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    @property
    def printed(self) -> str:
        """What was printed so far to standard error: the first 100 kB and the last 10 kB."""
        return self._printed.text()


def ending(code: int) -> str:
    """How a process ended, in words: "ended with code 3", "died of SIGSEGV"."""
    return f"ended with code {code}" if code >= 0 else f"died of {signal_name(-code)}"


def signal_name(number: int) -> str:
    """The name of a signal; real-time signals are counted from SIGRTMIN."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    first = getattr(signal, "SIGRTMIN", None)
    if first is not None and first < number <= signal.SIGRTMAX:
        return f"SIGRTMIN+{number - first}"
    return f"signal {number}"


def _python_path() -> str:
    """The project, importable wherever the parent was started, before what the parent's environment names."""
    project = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([project, inherited] if inherited else [project])

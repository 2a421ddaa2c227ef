"""Workers: who takes the steps of one cell. A child process on cores of its own, or this process."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from backprop import units
from backprop.bench.budget import at_most
from backprop.bench.clock import Call
from backprop.bench.record import Status
from backprop.bench.threads import thread_variables
from backprop.child_process import ChildError, ChildProcess
from backprop.errors import UnavailableError

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.steps import Workbench

START_UP_S = 60.0
"""The longest that a process may take to start, import everything and read the data."""

NO_MEMORY = re.compile(r"bad_alloc|(can't|cannot|could not|unable to) allocate|out of memory", re.IGNORECASE)
"""What libraries say that have no memory left."""


class Worker(Protocol):
    """Whoever takes the steps of `backprop.bench.steps`."""

    def ask(self, do: str, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Take one step; raises `WorkerError` or, in this process, what the strategy raises."""


class WorkerError(Exception):
    """A worker that did not answer as asked; `status` is that of its cell."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class WorkerProcess(ChildProcess):
    """A child process whose failures have the status of a cell.

    It starts and imports on any core, and is pinned to its own cores when it is first asked for something.

    pinned: whether the process, which has been asked for something, is pinned to its cores.
    """

    def __init__(self, threads: int, cores: Sequence[int]) -> None:
        variables = {**thread_variables(threads), "PYTHONHASHSEED": "0"}  # the same for every worker
        super().__init__("backprop.bench.worker", variables=variables)
        self._cores = cores
        self.pinned: bool | None = None

    def ask(self, do: str, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Ask for one thing and wait for the answer.

        Raises `WorkerError` where the worker raises, dies, or does not answer in time; it is dead then.
        """
        if self.pinned is None:
            self.pinned = self.pin(self._cores)
        try:
            self.send({"do": do, **message})
            answer = self.receive(timeout_s)
        except ChildError as error:
            raise self._failure(error) from error
        if "error" in answer:
            self.end()
            said = f"{answer['error']}: {answer.get('message')}".strip(": ")
            no_memory = answer.get("is_memory_error") or NO_MEMORY.search(said)
            if answer["error"] == UnavailableError.__name__:
                raise WorkerError("unavailable", " ".join(answer["message"].split()))
            raise WorkerError("out-of-memory" if no_memory else "crashed", " ".join(said.split()))
        return answer

    def _failure(self, error: ChildError) -> WorkerError:
        if error.how == "timed-out":
            return WorkerError("timed-out", f"the process {error.reason}")
        said = [line for line in self.printed.splitlines() if line.strip()]
        last = f"; it said: {said[-1].strip()}" if said else ""
        if error.code == -signal.SIGKILL:
            return WorkerError(
                "out-of-memory", "the process was killed, as a system does that has no memory left"
            )
        if NO_MEMORY.search(last):
            return WorkerError("out-of-memory", f"the process gave up{last}")
        return WorkerError("crashed", f"the process {error.reason}{last}")


@contextlib.contextmanager
def started_ahead(count: int, threads: int, cores: Sequence[int]) -> Iterator[Iterator[WorkerProcess]]:
    """`count` workers one after another: while one is used, the next one starts and imports on another core.

    Whoever takes a worker ends it; what nobody has taken is ended here.
    """
    waiting: list[WorkerProcess] = []

    def one_by_one() -> Iterator[WorkerProcess]:
        for number in range(count):
            current = waiting.pop() if waiting else WorkerProcess(threads, cores)
            if number + 1 < count:
                waiting.append(WorkerProcess(threads, cores))
            yield current

    try:
        yield one_by_one()
    finally:
        for worker in waiting:
            worker.end()


class WorkerHere:
    """The same steps in this process, for the quick look: nothing is started or stopped, and only time is limited.

    An exception of the strategy goes through as it is. Memory is tracked by tracemalloc: this process has more alive
    than the strategy, and memray would record all of it.
    """

    def __init__(self, bench: Workbench, strategy: Strategy[Any]) -> None:
        from backprop.bench.steps import Steps

        self.strategy = strategy
        self._steps = Steps(bench, strategy, "tracemalloc")

    def ask(self, do: str, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Take one step; raises `WorkerError` after `timeout_s`, as soon as Python has the word again."""
        late = WorkerError("timed-out", f"it was not over within {units.seconds(timeout_s)}")
        with at_most(timeout_s, late):
            answer: dict[str, Any] = getattr(self._steps, do)(**message)
        return answer

    @property
    def call(self) -> Call:
        """What is timed, once `prepare` was asked for."""
        assert self._steps.call is not None
        return self._steps.call

"""A task: one whole group, measured by one worker on its host as on a single machine. Runs on the worker."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backprop.bench.record import Agreement, Record
from backprop.bench.scenarios import Scenario
from backprop.bench.turns import Schedule
from backprop.errors import BackpropError

_NANNYS = {"MALLOC_TRIM_THRESHOLD_": "65536"}
"""What Dask sets for its workers: freed memory would go back to the system after every call."""


class AbandonedError(BackpropError):
    """Nobody waits for this group any more: its coordinator has ended, or gave the group to another worker."""


class LockError(BackpropError):
    """A lock that another user holds, or that cannot be opened."""


@dataclass(frozen=True)
class Slot:
    """A worker's share of its host: the `number`-th of `count` blocks of `width` cores each."""

    number: int = 0
    count: int = 1
    width: int = 1

    def cores(self, threads: int, available: list[int]) -> list[int]:
        """The last `threads` cores of the block; the blocks are counted from the last core on."""
        end = len(available) - self.number * self.width
        return available[:end][-threads:]


@dataclass(frozen=True)
class Task:
    """A group: a scenario, its strategies, how often and within what they are measured, and on what data."""

    scenario: Scenario
    targets: tuple[str, ...]
    schedule: Schedule
    memory_bytes: float
    time_s: float
    threads: int
    data: str
    slot: Slot


@dataclass(frozen=True)
class Rows:
    """What a task gave."""

    records: list[Record]
    agreements: list[Agreement]


def measure_group(task: Task) -> Rows:
    """All rows of the group. One group at a time is measured in a slot of the host, whoever asks for it.

    The memory budget is the run's, at most half of what is free on this host, shared by the host's slots.
    Raises `AbandonedError` where the coordinator no longer waits for it.
    """
    from backprop.bench.budget import Budget, default_memory_bytes
    from backprop.bench.group import Group
    from backprop.bench.threads import available_cores
    from backprop.data import load

    for name, value in _NANNYS.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    with _alone(task.slot):
        group = Group(
            scenario=task.scenario,
            targets=task.targets,
            schedule=task.schedule,
            budget=Budget(min(task.memory_bytes, default_memory_bytes()) / task.slot.count, task.time_s),
            dataset=load(task.data),
            data=task.data,
            threads=task.threads,
            cores=task.slot.cores(task.threads, available_cores()),
        )
        records, agreements = group.measure(lambda what: _still_wanted(), _still_wanted)
    if task.slot.count > 1:
        for record in records:
            if record.measured:
                record.unstable = "; ".join(filter(None, [record.unstable, _beside(task.slot)]))
    return Rows(records, agreements)


def _beside(slot: Slot) -> str:
    return f"up to {slot.count} groups were measured side by side on this host"


@contextlib.contextmanager
def _alone(slot: Slot) -> Iterator[None]:
    """Hold the slot for this group alone. Another coordinator may measure on the same host.

    That another run holds it is said once. Raises `LockError` where the lock cannot be opened.
    """
    from filelock import FileLock, Timeout

    path = Path(tempfile.gettempdir()) / f"backprop-{getpass.getuser()}-{slot.number}-of-{slot.count}.lock"
    lock, told = FileLock(path), False
    while True:
        _still_wanted()
        try:
            lock.acquire(timeout=1)
            break
        except Timeout:
            if not told:
                _tell(f"Note: {socket.gethostname()}: waiting for {str(path)!r}, which another run holds.")
            told = True
        except OSError as error:
            raise LockError(
                f"The lock {str(path)!r} cannot be taken: {error.strerror}; expected a file of {getpass.getuser()}."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _tell(sentence: str) -> None:
    """Say it on standard error here and, through Dask, where the run was started."""
    from distributed import print as print_there

    print_there(sentence, file=sys.stderr)


def _still_wanted() -> None:
    """Raise `AbandonedError` where the scheduler has told this worker to forget the task."""
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # called outside a cluster, by hand or by a test
        return
    key = worker.get_current_task()
    state = worker.state.tasks.get(key)
    if state is None or state.state == "cancelled":
        raise AbandonedError("Nobody waits for this group; expected a coordinator.")

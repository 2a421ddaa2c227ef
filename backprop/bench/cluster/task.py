"""One whole group, measured by one worker on its host as on a single machine. Runs on the worker."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backprop.errors import BackpropError

if TYPE_CHECKING:
    from backprop.bench.group import Group
    from backprop.bench.record import Results

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


def measure_group(group: Group, slot: Slot) -> Results:
    """All rows of the group. One group at a time is measured in a slot of the host, whoever asks for it.

    The memory budget is the run's, at most half of what is free on this host, shared by the host's slots.
    Raises `AbandonedError` where the coordinator no longer waits for it.
    """
    from backprop.bench.budget import Budget, default_memory_bytes
    from backprop.bench.threads import available_cores
    from backprop.data import load

    for name, value in _NANNYS.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    with _alone(slot):
        memory_bytes = min(group.budget.memory_bytes, default_memory_bytes()) / slot.count
        budget = Budget(memory_bytes, group.budget.time_s)
        here = replace(group, budget=budget, cores=slot.cores(group.threads, available_cores()))
        found = here.measure(load(group.data), lambda what: _still_wanted(), _still_wanted)
    if slot.count > 1:
        beside = f"up to {slot.count} groups were measured side by side on this host"
        for record in found.records:
            if record.measured:
                record.unstable = "; ".join(filter(None, [record.unstable, beside]))
    return found


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

"""What runs on a worker of the cluster: the report of its versions and host, and the measuring of one whole group."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import getpass
import os
import signal
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop.errors import BackpropError

if TYPE_CHECKING:
    from backprop.bench.group import Group
    from backprop.bench.record import Machine, Results
    from backprop.data import Dataset


@dataclass(frozen=True)
class Needs:
    """What every host must have: cores for `threads`, a clock for turns of `turn_s`, the data, strategies."""

    threads: int
    turn_s: float
    data: str
    data_checksum: str
    strategies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A worker: its host, that host's processor and cores, and its versions."""

    host: str
    cpu: str
    cores: int
    versions: dict[str, str]


@dataclass(frozen=True)
class HostReport:
    """A host: its description, the conditions of the instrument there with their notes, the data it reads."""

    machine: Machine
    conditions: dict[str, Any]
    notes: list[str]
    data_checksum: str


def identify() -> Identity:
    """The host, cores and versions of this worker."""
    from backprop.bench import machine
    from backprop.bench.threads import available_cores

    return Identity(machine.host_name(), machine.cpu_name(), len(available_cores()), versions())


def report(needs: Needs) -> HostReport:
    """The report of this host; a worker of the instrument is started to see what works here.

    Raises `BackpropError` where the thread count, the clock or the data will not do.
    """
    from backprop import find_strategy
    from backprop.bench.conditions import Conditions
    from backprop.bench.libraries import measured_libraries
    from backprop.bench.machine import describe_machine
    from backprop.bench.threads import choose_cores
    from backprop.data import load

    cores = choose_cores(needs.threads)
    conditions = Conditions.of(needs.threads, cores, needs.turn_s)
    libraries = measured_libraries(map(find_strategy, needs.strategies))
    return HostReport(
        machine=describe_machine(needs.threads, cores if conditions.pinned else [], libraries),
        conditions=dataclasses.asdict(conditions),
        notes=conditions.notes(),
        data_checksum=data_checksum(load(needs.data)),
    )


def data_checksum(dataset: Dataset) -> str:
    """CRC-32 of all images and labels."""
    checksum = 0
    for array in (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    ):
        checksum = zlib.crc32(array.tobytes(), checksum)
    return f"{checksum:08x}"


def versions() -> dict[str, str]:
    """The versions here: of the package, its source text, Python, and the libraries that compute."""
    import backprop

    found = {"backprop": backprop.__version__, "source of backprop": source_checksum()}
    found["Python"] = ".".join(map(str, sys.version_info[:2]))
    for name in ("numpy", "scipy", "distributed"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def difference(theirs: dict[str, str], ours: dict[str, str]) -> str | None:
    """The first difference between a worker's versions and these, in words; None if all are the same."""
    for name, expected in ours.items():
        got = theirs.get(name, "none")
        if got != expected:
            return f"{name} {got}; expected {expected}, as here"
    return None


@functools.cache
def source_checksum() -> str:
    """CRC-32 of all Python source of the package: two commits may have the same version number."""
    import backprop

    checksum, folder = 0, Path(str(backprop.__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        checksum = zlib.crc32(str(path.relative_to(folder)).encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"


def dask_setup(worker: Any) -> None:
    """Dask calls this in the main thread of every worker process, also after it has restarted one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# One whole group --------------------------------------------------------------------------------------


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

"""The versions and the host of a worker, which it reports before it measures. Runs on the worker."""

from __future__ import annotations

import dataclasses
import functools
import signal
import sys
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop.bench.record import Machine
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

"""What a worker says of itself and of its host. These functions run on the worker, sent there by the coordinator."""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop.bench.record import Machine
    from backprop.data import Dataset


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
    """This worker."""
    from backprop.bench import machine
    from backprop.bench.cluster.versions import versions
    from backprop.bench.threads import available_cores

    return Identity(machine.host_name(), machine.cpu_name(), len(available_cores()), versions())


def report(threads: int, turn_s: float, data: str, strategies: tuple[str, ...]) -> HostReport:
    """This host; starts a worker of the instrument to see what works here.

    Raises `BackpropError` where the thread count, the clock or the data will not do.
    """
    from backprop import find_strategy
    from backprop.bench.libraries import measured_libraries
    from backprop.bench.machine import describe_machine
    from backprop.bench.places.conditions import Conditions
    from backprop.bench.threads import choose_cores
    from backprop.data import load

    cores = choose_cores(threads)
    conditions = Conditions.of(threads, cores, turn_s)
    libraries = measured_libraries(map(find_strategy, strategies))
    return HostReport(
        machine=describe_machine(threads, cores if conditions.pinned else [], libraries),
        conditions=dataclasses.asdict(conditions),
        notes=conditions.notes(),
        data_checksum=data_checksum(load(data)),
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

"""The machine: what it is, and what it can do: the speed of its matrix products and of its memory."""

from __future__ import annotations

import functools
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backprop import __version__
from backprop.arrays import DType, aligned_empty
from backprop.bench.libraries import describe_libraries, installed_packages, thread_pools
from backprop.bench.record import Machine

_COPIED_BYTES = 2**27
"""More than the caches hold. A copy of half as much is partly cached, and was seen at two thirds of the speed."""

_PACKAGES = ("numpy", "scipy", "pandas", "pytest-benchmark")


@dataclass(frozen=True)
class Limits:
    """The fastest seen: flops_per_s of a square matrix product, and bytes_per_s that a copy reads and writes."""

    flops_per_s: float
    bytes_per_s: float


def describe_machine(
    threads: int, cores: list[int], libraries: Mapping[str, tuple[str, ...]] | None = None
) -> Machine:
    """This host with so many threads on these cores, and the libraries that are to be measured on it."""
    import psutil

    packages = installed_packages()
    return Machine(
        cpu=cpu_name(),
        cores=os.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        platform=platform.platform(),
        python=sys.version.split()[0],
        threads=threads,
        pinned_to=cores,
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_1min=psutil.getloadavg()[0],
        blas=thread_pools(),
        versions={"backprop": __version__, **{name: packages.get(name) for name in _PACKAGES}},
        libraries=describe_libraries(libraries or {}, threads),
        packages=packages,
    )


def host_name() -> str:
    """The name by which the network knows this machine, or an unknown one."""
    return platform.node() or "an unnamed host"


@functools.cache
def cpu_name() -> str:
    """The processor's model name, as far as the operating system tells."""
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure_limits(dtype: DType, rounds: int = 5) -> Limits:
    """The machine's limits for this dtype with the threads now in force; takes a quarter of a second."""
    size = 512
    a, b, c = (aligned_empty((size, size), dtype) for _ in range(3))
    a.fill(1)
    b.fill(1)
    product_s = _fastest(lambda: np.matmul(a, b, out=c), rounds)
    read, written = (aligned_empty((_COPIED_BYTES // dtype.itemsize,), dtype) for _ in range(2))
    read.fill(1)
    written.fill(1)
    copy_s = _fastest(lambda: np.copyto(written, read), rounds)
    return Limits(2 * size**3 / product_s, 2 * read.nbytes / copy_s)


def _fastest(call: Any, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


class Disturbances:
    """Disturbances of the processors since this object was made."""

    def __init__(self) -> None:
        self._times, self._events = _processor_times(), _throttle_events()

    def steal_share(self) -> float:
        """The share of processor time that a virtual machine's host took; 0 if the system does not report it."""
        steal, total = (now - then for now, then in zip(_processor_times(), self._times, strict=True))
        return steal / total if total > 0 else 0.0

    def throttled(self) -> int:
        """How often a processor slowed down because it was hot; only Linux on Intel's processors reports this."""
        return _throttle_events() - self._events


def _throttle_events() -> int:
    counters = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    return sum(int(_read(str(path)) or 0) for path in counters)


def _processor_times() -> tuple[float, float]:
    """Seconds stolen and in all, over all cores."""
    import psutil

    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))

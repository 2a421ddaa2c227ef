"""Peak memory of a call, in bytes, by the best tracker that is installed.

memray sees every allocation, of NumPy and of native libraries alike; it is the extra `memory` and does not
exist for Windows. tracemalloc is part of Python and sees NumPy's arrays and Python's objects only. Both slow
what they watch, so neither is ever on in a timed pass.
"""

from __future__ import annotations

import gc
import importlib.util
import mmap
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Peak(NamedTuple, Generic[T]):
    """The result of a call, and the most bytes alive during it."""

    result: T
    peak_bytes: int


def best_tracker() -> str:
    """`memray` where it is installed, else `tracemalloc`."""
    return "memray" if importlib.util.find_spec("memray") else "tracemalloc"


def measure_peak(call: Callable[[], T], tracker: str) -> Peak[T]:
    """Run `call` once under the tracker; what was allocated before does not count."""
    gc.collect()
    return _by_memray(call) if tracker == "memray" else _by_tracemalloc(call)


def _by_tracemalloc(call: Callable[[], T]) -> Peak[T]:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Peak(result, peak - before)


def _by_memray(call: Callable[[], T]) -> Peak[T]:
    import memray

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "allocations.bin"
        with memray.Tracker(path):
            result = call()
        reader = memray.FileReader(path)
        try:
            return Peak(result, reader.metadata.peak_memory)
        finally:
            reader.close()


def high_water_bytes() -> int | None:
    """The most memory this process has ever had resident; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


PLANTED_BYTES = 100_000_000


def planted_peaks(tracker: str) -> dict[str, float]:
    """Measured ÷ true peak of `PLANTED_BYTES` by who allocates them: NumPy, and native code by an mmap.

    tracemalloc cannot see the second and finds about nothing.
    """
    import numpy as np

    def by_numpy() -> object:
        return np.ones(PLANTED_BYTES, np.uint8)

    def by_native_code() -> object:
        with mmap.mmap(-1, PLANTED_BYTES) as memory:
            memory[0] = 1
        return None

    calls = {"NumPy": by_numpy, "native code": by_native_code}
    return {name: measure_peak(call, tracker).peak_bytes / PLANTED_BYTES for name, call in calls.items()}

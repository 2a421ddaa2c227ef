"""Threads and cores: fixed before NumPy loads, checked after it has.

A BLAS reads its thread count once, when it is loaded, so the environment must be set first. One thread
runs on one pinned core, so that the scheduler does not move it in the middle of a measurement.
"""

from __future__ import annotations

import os
import sys

from backprop.errors import ThreadError

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def fix_threads(threads: int) -> list[int]:
    """Fix the thread count of every numerical library and pin this process; returns the cores it may use.

    The list is empty where the operating system has no pinning. Raises `ThreadError` for a count below
    one or above the number of cores.
    """
    chosen = choose_cores(threads)
    os.environ.update(thread_variables(threads))
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
    if not hasattr(os, "sched_setaffinity"):
        return []
    os.sched_setaffinity(0, chosen)
    return chosen


def choose_cores(threads: int) -> list[int]:
    """The last cores, as many as there are threads. The first cores also serve interrupts and other programs.

    Raises `ThreadError` for a count below one or above the number of cores.
    """
    cores = available_cores()
    if not 1 <= threads <= len(cores):
        raise ThreadError(f"The thread count is {threads}; expected 1 to {len(cores)}, the cores available.")
    return cores[-threads:]


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that fixes the thread count of every numerical library loaded after it is set."""
    eigen = "true" if threads > 1 else "false"
    xla = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    return {**dict.fromkeys(_VARIABLES, str(threads)), "XLA_FLAGS": xla}


def available_cores() -> list[int]:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def check_threads(threads: int) -> None:
    """Raise `ThreadError` where a loaded library would use another number of threads."""
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["num_threads"] != threads:
            raise ThreadError(
                f"The library {pool['internal_api']} uses {pool['num_threads']} threads; expected {threads}."
            )

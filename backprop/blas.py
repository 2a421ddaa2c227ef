"""The BLAS with which NumPy multiplies: how many threads it has, and whether it packs small matrices."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController

_UNPACKED = ("SkylakeX", "Cooperlake", "SapphireRapids")
"""The processors for which OpenBLAS has kernels of matrices that are not packed, by its own names."""


def threads() -> int:
    """Threads of the BLAS that is loaded, as they are now; 1 where none is known."""
    libraries = _libraries().lib_controllers
    return max((one.get_num_threads() for one in libraries if one.user_api == "blas"), default=1)


@functools.cache
def leaves_small_products_unpacked() -> bool:
    """Whether every BLAS that is loaded multiplies small matrices as they lie in memory."""
    pools = [pool for pool in _libraries().info() if pool["user_api"] == "blas"]
    return bool(pools) and all(
        pool["internal_api"] == "openblas" and pool.get("architecture") in _UNPACKED for pool in pools
    )


def limited_to(threads: int) -> AbstractContextManager[object]:
    """A context in which BLAS has that many threads; after it, BLAS has as many as before."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=threads, user_api="blas")
    return limited


@functools.cache
def _libraries() -> ThreadpoolController:
    """The loaded libraries, looked for once: the search takes some milliseconds."""
    return ThreadpoolController()

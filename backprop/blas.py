"""The BLAS that NumPy multiplies with, as far as a derivation must know it: how many threads it has."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def threads() -> int:
    """Threads of the BLAS that is loaded, as they are now; 1 where none is known."""
    pools = _libraries().info()
    return max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=1)


def limited_to(threads: int) -> AbstractContextManager[object]:
    """Within it BLAS has so many threads, and afterwards as many as before."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=threads, user_api="blas")
    return limited


@functools.cache
def _libraries() -> ThreadpoolController:
    """Found once: it takes some milliseconds to look through all that is loaded."""
    return ThreadpoolController()

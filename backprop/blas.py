"""How many threads the BLAS has with which NumPy multiplies."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def threads() -> int:
    """Threads of the BLAS that is loaded, as they are now; 1 where none is known."""
    pools = _libraries().info()
    return max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=1)


def limited_to(threads: int) -> AbstractContextManager[object]:
    """A context in which BLAS has that many threads; after it, BLAS has as many as before."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=threads, user_api="blas")
    return limited


@functools.cache
def _libraries() -> ThreadpoolController:
    """The loaded libraries, looked for once: the search takes some milliseconds."""
    return ThreadpoolController()

"""The workers of a sharded gradient for which no client was handed in: Dask's own setting, or processes here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backprop.child_process import ChildError, ChildProcess
from backprop.errors import BackpropError

if TYPE_CHECKING:
    from distributed import Client

_START_UP_S = 120.0
_CLOSE_S = 20.0


class ShardError(BackpropError, RuntimeError):
    """Workers that did not start, or a shard that did not come back or is not what was asked for."""


def open_client(workers: int) -> tuple[Client, contextlib.ExitStack]:
    """A client, and what closes it and all that was started for it.

    Where Dask's configuration names a scheduler (`DASK_SCHEDULER_ADDRESS`) that one is used; otherwise so many
    worker processes are started on this machine, on loopback, with one BLAS thread each. Raises
    `ShardError` where they do not start.
    """
    import dask
    from distributed import Client

    with contextlib.ExitStack() as opened:
        address = dask.config.get("scheduler-address", None) or opened.enter_context(_served(workers))
        client = opened.enter_context(Client(address, set_as_default=False))
        return client, opened.pop_all()


@contextlib.contextmanager
def _served(workers: int) -> Iterator[str]:
    """The scheduler's address of a cluster in a process of its own, which ends with this block or this process."""
    import dask

    variables = {  # workers import what this process can, under the same configuration
        "PYTHONPATH": os.pathsep.join(part or str(os.curdir) for part in sys.path),
        "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.global_config),
    }
    child = ChildProcess("backprop.sharding.serve", str(workers), variables=variables, keeps_output=False)
    try:
        try:
            address = str(child.receive(_START_UP_S)["address"])
        except (ChildError, KeyError) as error:
            said = f": the process {error.reason}" if isinstance(error, ChildError) else ""
            raise ShardError(
                f"The {workers} workers did not start{said}; expected Dask to tell its scheduler's address."
            ) from error
        yield address
    finally:
        child.end(grace_s=_CLOSE_S)

"""The workers of a sharded gradient for which no client was handed in: Dask's own setting, or processes here."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backprop.sharding.combine import ShardError

if TYPE_CHECKING:
    from distributed import Client

_CLOSE_S = 20.0


def open_client(workers: int) -> tuple[Client, contextlib.ExitStack]:
    """A client, and what closes it and all that was started for it.

    Where Dask's configuration names a scheduler (`DASK_SCHEDULER_ADDRESS`) that one is used; otherwise so many
    worker processes are started on this machine, over TCP on loopback, with one BLAS thread each. Raises
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

    process = subprocess.Popen(
        [sys.executable, "-m", "backprop.sharding.serve", str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or str(os.curdir) for path in sys.path),
            "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.global_config),
        },
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise ShardError(
                f"The {workers} workers did not start; expected Dask to tell its scheduler's address."
            )
        yield address
    finally:
        process.stdin.close()
        try:
            process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

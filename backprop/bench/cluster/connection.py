"""The connection to a Dask cluster: one of this machine's own, on loopback, or the one at an address.

Both are as safe as Dask's own configuration makes them: with `distributed.comm.tls` and an address of `tls://`
everything that is sent is encrypted, and both sides show certificates; `require-encryption` allows nothing else.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backprop.errors import BackpropError, install_line
from backprop.sharding.serve import on_loopback

if TYPE_CHECKING:
    from distributed import Client, Security

_CONNECT_S = 5.0
_PLAIN_WORKERS = {
    # Dask sets OMP_NUM_THREADS and MALLOC_TRIM_THRESHOLD_ for its workers. Our workers would inherit them,
    # and return freed memory to the system, which makes every large temporary array slow.
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


class ClusterError(BackpropError, ConnectionError):
    """The cluster does not answer, or its workers cannot be used."""


@contextlib.contextmanager
def connected(workers: int | None, address: str | None) -> Iterator[Client]:
    """A client of a new local cluster of so many worker processes, or of the scheduler at `address`.

    Raises `ClusterError` where Dask is not installed or nothing answers at the address.
    """
    if importlib.util.find_spec("distributed") is None:
        raise ClusterError(
            "Dask distributed is not installed; expected it for --workers and --cluster: "
            f"`{install_line('cluster')}` in the project's folder."
        )
    import dask

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it would say, the run says itself
    with dask.config.set(_PLAIN_WORKERS), contextlib.ExitStack() as stack:
        opened = _local(workers) if address is None else _client_of(address)
        client = stack.enter_context(opened)
        stack.enter_context(client.as_current())
        yield client


@contextlib.contextmanager
def _local(workers: int | None) -> Iterator[Client]:
    import tempfile

    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        LocalCluster(
            **on_loopback(workers), local_directory=folder, preload=["backprop.bench.cluster.host"]
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _client_of(address: str) -> Client:
    import asyncio

    from distributed import Client, Security

    security = Security()
    try:
        kind = asyncio.run(_kind_of(address, security))
        if kind != "Scheduler":
            raise ValueError(f"what answers is a {kind.lower()}")
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
    ) as error:  # Dask raises any of them for no address
        said = " ".join(str(error).split()).rstrip(".") or "it is no address"
        raise ClusterError(
            f"No Dask scheduler answers at {address!r}: {said}; "
            "expected the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786, "
            "or tls:// with Dask's configuration of TLS."
        ) from error
    return Client(address, security=security, timeout=_CONNECT_S, set_as_default=False)


async def _kind_of(address: str, security: Security) -> str:
    """What a server of Dask's at the address says that it is; a client would try to connect again and again."""
    from distributed.core import rpc

    async with rpc(
        address, timeout=_CONNECT_S, connection_args=security.get_connection_args("client")
    ) as server:
        return str((await server.identity())["type"])

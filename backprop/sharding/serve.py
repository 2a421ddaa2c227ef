"""A cluster in a process of its own: `python -m backprop.sharding.serve 2` serves until its standard input ends.

Dask starts its workers by running the program's main file again in each; a program of a user's, who only asked for
a gradient, must not be run three times. And when that program is killed its end of the pipe closes, so that nobody
is left behind.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import Any


def main(workers: int) -> None:
    """Start so many workers on loopback, answer with the scheduler's address, wait for the end of the input."""
    import dask
    from distributed import LocalCluster

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program; its end is the end of this one
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    variables = dict(dask.config.get("distributed.nanny.pre-spawn-environ", {}))
    variables.pop("MALLOC_TRIM_THRESHOLD_", None)  # it would give freed memory back after every call
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": variables}),
        LocalCluster(**on_loopback(workers)) as cluster,
    ):
        print(json.dumps({"address": cluster.scheduler_address}), flush=True)
        sys.stdin.read()


def on_loopback(workers: int | None) -> dict[str, Any]:
    """What Dask's `LocalCluster` is told: so many workers with one thread each, which only this host can reach."""
    from distributed import Security

    security = Security()  # as Dask's own configuration says
    return {
        "n_workers": workers,
        "threads_per_worker": 1,
        "processes": True,
        "host": "127.0.0.1",
        "protocol": "tls://" if security.require_encryption else "tcp://",
        "security": security,
        "dashboard_address": "127.0.0.1:0",  # else two clusters on one host quarrel over a port
        "memory_limit": None,
        "silence_logs": logging.CRITICAL,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))

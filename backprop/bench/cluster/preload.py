"""What a local cluster's worker does first: leave Ctrl-C to the coordinator, which ends its workers in good order."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Dask calls this in the main thread of every worker process, also of one that it has started again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

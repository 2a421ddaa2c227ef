"""The tests; a run of the benchmark (`--benchmark-only`) leaves them alone."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the commands that tests start would inherit deafness to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests compile each function of JAX for one call, which no optimization makes up for.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture(scope="session", autouse=True)
def quick_collector() -> Iterator[None]:
    """Spare the collector, which many tests call, the thousands of objects of pytest and its plugins."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A run of the benchmark collects no tests."""
    return True if config.getoption("benchmark_only") else None

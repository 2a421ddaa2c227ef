"""The tests; a run of the benchmark (`--benchmark-only`) leaves them alone."""

from __future__ import annotations

import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the commands that tests start would inherit deafness to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A run of the benchmark collects no tests."""
    return True if config.getoption("benchmark_only") else None

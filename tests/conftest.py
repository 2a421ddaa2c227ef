"""The tests; a run of the benchmark (`--benchmark-only`) leaves them alone."""

from __future__ import annotations

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A benchmark collects no tests: it is to measure, and soon."""
    return True if config.getoption("benchmark_only") else None

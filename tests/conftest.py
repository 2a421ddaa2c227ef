"""The tests; a run of the benchmark (`--benchmark-only`) leaves them alone."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from backprop.bench.threads import thread_variables

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the commands that tests start would inherit deafness to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Set up the libraries for tests; a run of the benchmark comes by here, too, and measures them as they are."""
    if config.getoption("benchmark_only"):
        return
    # Two workers of pytest share the cores: threads of a BLAS would only wait for each other, at full load.
    os.environ.update(thread_variables(1))
    threadpool_limits(1)
    # Tests compile each function of JAX for one call, which no optimization makes up for.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """Collect tests without looking for garbage: what is imported and collected stays to the end."""
    if not session.config.getoption("benchmark_only"):
        gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def quick_collector() -> None:
    """Spare the collector, which many tests call, the objects of pytest and of what other modules have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def without_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wrong line is looked for, which takes up to half of the time of a check: for tests of verdicts."""
    from backprop.check.lines import Lines

    monkeypatch.setattr("backprop.check.lines.steps.search_in", lambda *_, **__: Lines(()))


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Give another package's entry points of a group; one that is an error is raised where it is loaded."""
    from backprop import installed_strategies

    def load(one: Any) -> Any:
        if isinstance(one, Exception):
            raise one
        return one

    def give(group: str, *objects: Any) -> None:
        points = [SimpleNamespace(name="p", value="package:p", load=partial(load, one)) for one in objects]
        monkeypatch.setattr(
            "importlib.metadata.entry_points", lambda group, known=group: points * (group == known)
        )
        installed_strategies.cache_clear()

    yield give
    monkeypatch.undo()
    installed_strategies.cache_clear()


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A run of the benchmark collects no tests."""
    return True if config.getoption("benchmark_only") else None

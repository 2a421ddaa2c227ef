"""The part of `pytest --benchmark-only` that pytest must know before it looks for tests.

Options, because pytest would take the value in `--scenario toy` for a folder; threads and pytest-benchmark's
settings, because they are read once and early. The conftest.py at the root loads this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backprop.errors import BackpropError

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.budget import Budget
    from backprop.bench.scenarios import Scenario
    from backprop.data import Dataset

QUICK_LOOK = (
    "full-jacobian",
    "batched-jacobian",
    "batched-jacobian-einsum",
    "layerwise-vjp",
    "short-form",
    "finite-differences",
    "finite-differences-forward",
)
"""What is measured where no `--strategy` is given: the first rungs, in a few minutes."""

CORES: pytest.StashKey[list[int]] = pytest.StashKey()
BUDGET: pytest.StashKey[Budget] = pytest.StashKey()
FOLDER: pytest.StashKey[Path] = pytest.StashKey()
DATA: pytest.StashKey[Dataset] = pytest.StashKey()
SCENARIOS: pytest.StashKey[list[Scenario]] = pytest.StashKey()
STRATEGIES: pytest.StashKey[list[Strategy[Any]]] = pytest.StashKey()
WRITTEN: pytest.StashKey[Path] = pytest.StashKey()


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """What the user got wrong is pytest's usage error: one sentence, and no test runs."""
    try:
        yield
    except BackpropError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the `backprop` command that apply here."""
    group = parser.getgroup("backprop")
    group.addoption(
        "--memory-budget", help="the most memory of a cell, such as 2GB; default: half of what is free"
    )
    group.addoption("--time-budget", help="the most time of a cell, such as 60s, the default")
    group.addoption("--threads", type=int, default=1, help="threads of the numerical libraries, 1 by default")
    group.addoption("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    group.addoption(
        "--strategy",
        action="append",
        default=[],
        help="only these strategies, as `backprop run` takes them: a list with commas, or repeated; all for all",
    )
    group.addoption(
        "--scenario",
        action="append",
        default=[],
        help="only these scenarios: a list with commas, or repeated",
    )
    group.addoption("--out", help="--out=FOLDER for records and reports; by default a new one, results/TIME")
    group.addoption("--fresh", action="store_true", help="replace a run that lies in the folder")


def pytest_configure(config: pytest.Config) -> None:
    """Fix the threads, and measure as DESIGN says: warmed up, collector off, few but enough rounds."""
    if not config.getoption("benchmark_only"):
        return
    with _usage_errors():
        from backprop.bench.threads import fix_threads

        config.stash[CORES] = fix_threads(config.getoption("threads"))

        from backprop.bench.budget import Budget
        from backprop.bench.folders import RESULTS, check_folder, new_folder
        from backprop.bench.journal import make_room
        from backprop.bench.names import split_names
        from backprop.bench.suites import find_scenarios
        from backprop.data import load
        from backprop.registry import select_strategies

        config.stash[BUDGET] = Budget.parse(
            config.getoption("memory_budget"), config.getoption("time_budget")
        )
        out = config.getoption("out")
        results = config.rootpath / RESULTS
        config.stash[FOLDER] = config.rootpath / out if out else new_folder(results=results)
        check_folder("Records and reports", config.stash[FOLDER])
        make_room(config.stash[FOLDER], config.getoption("fresh"))
        config.stash[DATA] = load(config.getoption("data"))
        config.stash[SCENARIOS] = find_scenarios(split_names(config.getoption("scenario")))
        config.stash[STRATEGIES] = select_strategies(split_names(config.getoption("strategy")) or QUICK_LOOK)
        for scenario in config.stash[SCENARIOS]:
            scenario.check(config.stash[DATA])
    # pyproject.toml takes every warning for an error; of a benchmark, only those of this package.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", r"error:::backprop\..*")
    config.option.benchmark_disable_gc = True
    config.option.benchmark_warmup = True
    config.option.benchmark_warmup_iterations = 3
    config.option.benchmark_columns = ["min", "median", "iqr", "rounds"]
    config.option.benchmark_group_by = "group"
    config.option.benchmark_sort = "median"
    config.option.benchmark_max_time = 0.25


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the report is."""
    folder = config.stash.get(WRITTEN, None)
    if folder is not None:
        terminalreporter.write_line(f"report: {folder / 'report.md'}")
        if (page := folder / "report.html").exists():
            terminalreporter.write_line(f"page: {page}")

"""`pytest --benchmark-only`: fixes threads and core, gathers the records, and writes results/latest.

Without `--benchmark-only` nothing in this folder is collected: `pytest` runs the tests and no benchmark.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backprop.errors import BackpropError
from bench.threads import fix_threads

if TYPE_CHECKING:
    from bench.run import Run

CORES = pytest.StashKey[list[int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the `backprop` command that apply here."""
    group = parser.getgroup("backprop")
    group.addoption(
        "--memory-budget", help="the most memory of a cell, such as 2GB; default: half of what is free"
    )
    group.addoption("--time-budget", help="the most time of a cell, such as 60s, the default")
    group.addoption("--threads", type=int, default=1, help="threads of the numerical libraries, 1 by default")
    group.addoption("--data", default="sample", help="sample, mnist, or a folder of IDX files")
    group.addoption("--strategy", action="append", default=[], help="only this strategy; may be repeated")
    group.addoption("--scenario", action="append", default=[], help="only this scenario; may be repeated")
    group.addoption("--out", default="results/latest", help="the folder for records and reports")


def pytest_configure(config: pytest.Config) -> None:
    """Fix the threads, and measure as DESIGN says: warmed up, collector off, few but enough rounds."""
    if not config.getoption("benchmark_only"):
        return
    try:
        config.stash[CORES] = fix_threads(config.getoption("threads"))
    except BackpropError as error:
        raise pytest.UsageError(str(error)) from error
    config.option.benchmark_disable_gc = True
    config.option.benchmark_warmup = True
    config.option.benchmark_warmup_iterations = 3
    config.option.benchmark_columns = ["min", "median", "iqr", "rounds"]
    config.option.benchmark_group_by = "group"
    config.option.benchmark_sort = "median"
    config.option.benchmark_max_time = 0.5


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the benchmarks alone unless they are asked for."""
    return None if config.getoption("benchmark_only") else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Strategy x scenario, scenario by scenario."""
    if "strategy" not in metafunc.fixturenames:
        return
    from backprop.registry import select_strategies
    from bench.scenarios import select_scenarios

    try:
        scenarios = select_scenarios(metafunc.config.getoption("scenario"))
        strategies = select_strategies(metafunc.config.getoption("strategy"))
    except BackpropError as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize(
        ("strategy", "scenario"),
        [pytest.param(one, other, id=f"{other.id}-{one.name}") for other in scenarios for one in strategies],
    )


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The run that all cells go into; its reports are written when the last cell is done."""
    from backprop.data import load
    from bench.budget import Budget
    from bench.report import write_reports
    from bench.run import Run

    config = request.config
    folder = config.rootpath / config.getoption("out")
    measuring = Run(
        folder=folder,
        budget=Budget.parse(config.getoption("memory_budget"), config.getoption("time_budget")),
        threads=config.getoption("threads"),
        cores=config.stash[CORES],
        dataset=load(config.getoption("data")),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )
    with measuring:
        yield measuring
    write_reports(folder)
    request.config.stash[WRITTEN] = folder


WRITTEN = pytest.StashKey[Path]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the report is."""
    folder = config.stash.get(WRITTEN, None)
    if folder is not None:
        terminalreporter.write_line(f"report: {folder / 'report.md'}")

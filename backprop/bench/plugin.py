"""The part of `pytest --benchmark-only` that pytest must know before it looks for tests.

Options, because pytest would take the value in `--scenario toy` for a folder; threads and pytest-benchmark's
settings, because they are read once and early. The conftest.py at the root loads this module.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backprop.errors import BackpropError

if TYPE_CHECKING:
    from backprop import Strategy
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.scenarios import Scenario

CELLS: pytest.StashKey[list[tuple[Strategy[Any], Scenario]]] = pytest.StashKey()
LOOK: pytest.StashKey[QuickLook] = pytest.StashKey()
"""What measures the cells, and holds their results."""


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


def _cells(strategies: list[str], scenarios: list[str]) -> list[tuple[Strategy[Any], Scenario]]:
    """The cells of the suite `quick`, with the named strategies, or all, and the named scenarios of the table.

    Raises `UnknownNameError`.
    """
    from backprop.bench.suites import find_scenarios, find_suite
    from backprop.registry import find_strategy, select_strategies

    quick = find_suite("quick")
    chosen = find_scenarios(scenarios) if scenarios else quick.scenarios
    if strategies:
        named = select_strategies(strategies)
        return [(strategy, scenario) for scenario in chosen for strategy in named]
    return [
        (find_strategy(name), scenario)
        for scenario in chosen
        for name in quick.strategies_of(scenario) or quick.strategies
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Fix the threads, and measure as DESIGN says: warmed up, collector off, few but enough rounds."""
    if not config.getoption("benchmark_only"):
        return
    with _usage_errors():
        from backprop.bench.threads import fix_threads

        threads = config.getoption("threads")
        cores = fix_threads(threads)

        from backprop.bench.budget import Budget
        from backprop.bench.commands.options import split_names
        from backprop.bench.files import RESULTS as FOLDERS
        from backprop.bench.files import check_folder, new_folder
        from backprop.bench.quick_look import QuickLook
        from backprop.bench.report import make_room
        from backprop.data import load

        budget = Budget.parse(config.getoption("memory_budget"), config.getoption("time_budget"))
        out = config.getoption("out")
        folder = config.rootpath / out if out else new_folder(results=config.rootpath / FOLDERS)
        check_folder("Records and reports", folder)
        make_room(folder, config.getoption("fresh"))
        dataset = load(config.getoption("data"))
        cells = _cells(*(split_names(config.getoption(name)) for name in ("strategy", "scenario")))
        for scenario in {scenario for _, scenario in cells}:
            scenario.check(dataset)
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        strategies = list(dict.fromkeys(strategy for strategy, _ in cells))
        config.stash[CELLS] = cells
        config.stash[LOOK] = QuickLook(folder, budget, threads, cores, dataset, command, strategies)
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


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say before anything is measured what it will be, and how to get more."""
    cells = config.stash.get(CELLS, None)
    if cells is None:
        return None
    asked = config.getoption("strategy") or config.getoption("scenario")
    takes = "" if asked else ", about a minute"
    return (
        f"backprop: {len(cells)} cells in one process{takes}; "
        "every strategy in every scenario: `backprop run`, about 15 minutes"
    )


@pytest.hookimpl(trylast=True)  # after the tables of pytest-benchmark, so that the ranking is what is seen
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the ranking, and say where the report is."""
    look = config.stash.get(LOOK, None)
    if look is None or not (report := look.folder / "report.md").exists():
        return
    from backprop.bench.console import make_console, print_records

    print_records(make_console(), look.results.records)
    terminalreporter.write_line(f"report: {report}")
    if (page := look.folder / "report.html").exists():
        terminalreporter.write_line(f"page: {page}")

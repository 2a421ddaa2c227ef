"""`pytest --benchmark-only`: gathers the records of strategy x scenario, and writes a folder of results.

Without `--benchmark-only` nothing in this folder is collected: `pytest` runs the tests and no benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backprop.bench.plugin import CELLS, LOOK

if TYPE_CHECKING:
    from backprop.bench.quick_look import QuickLook


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the benchmarks alone unless they are asked for."""
    return None if config.getoption("benchmark_only") else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The gradients alone; the step of a training where its file is named.

    It would only delay the ranking. A run of the tests, which comes by here as well, is left as it is.
    """
    if not config.getoption("benchmark_only"):
        return
    named = {Path(argument.partition("::")[0]).name for argument in config.invocation_params.args}
    asked = [
        item for item in items if "strategy" in getattr(item, "fixturenames", ()) or item.path.name in named
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in asked])
    items[:] = asked


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Strategy x scenario, scenario by scenario."""
    if "strategy" not in metafunc.fixturenames:
        return
    cells = metafunc.config.stash[CELLS]
    metafunc.parametrize(
        ("strategy", "scenario"),
        [pytest.param(one, other, id=f"{other.id}-{one.name}") for one, other in cells],
    )


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Iterator[QuickLook]:
    """The run that all cells go into; its reports are written when the last cell is done."""
    from backprop.bench.files import lead_to
    from backprop.bench.report import write_reports
    from backprop.errors import OutputError

    measuring = request.config.stash[LOOK]
    try:
        with measuring:
            if request.config.getoption("out") is None:
                lead_to(measuring.folder)
            yield measuring
        write_reports(measuring.folder)
    except OutputError as error:
        pytest.exit(str(error), returncode=2)

"""Strategy x scenario under pytest-benchmark: one cell a test, every cell a row of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from backprop.bench.clock import seconds_per_call
from backprop.bench.quick_look import FEWEST_ROUNDS
from backprop.errors import OutputError

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from backprop import Strategy
    from backprop.bench.clock import Call
    from backprop.bench.quick_look import QuickLook
    from backprop.bench.scenarios import Scenario


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")  # by a cell that does not run
def test_gradient(
    benchmark: BenchmarkFixture, run: QuickLook, strategy: Strategy[Any], scenario: Scenario
) -> None:
    """Measure the cell; it fails where the gradient is wrong, and is skipped where it does not fit."""
    benchmark.group = f"{scenario.id}: {scenario.network}, batch {scenario.batch_size}"

    def sample(call: Call) -> Sequence[float]:
        if seconds_per_call(call, 0) > 0.2:  # too slow to calibrate: a fixed number of rounds
            benchmark.pedantic(call, rounds=FEWEST_ROUNDS)  # type: ignore[no-untyped-call]
        else:
            benchmark(call)
        assert benchmark.stats is not None  # the call has been made
        samples: Sequence[float] = benchmark.stats.stats.data
        return samples

    try:
        record = run.measure(strategy, scenario, sample)
    except OutputError as error:  # a full disk: no other cell can be kept either
        pytest.exit(str(error), returncode=2)
    if record.measured:
        benchmark.extra_info["gradient_error"] = record.gradient_error
        benchmark.extra_info["ratio_to_short_form"] = record.ratio_to_short_form
    if record.status in ("disagrees", "crashed", "out-of-memory"):
        pytest.fail(f"{record.status}: {record.reason}", pytrace=False)
    if not record.measured:
        pytest.skip(f"{record.status}: {record.reason}")

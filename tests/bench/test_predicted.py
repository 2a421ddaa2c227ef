"""`backprop run --predict`: every cell has its predicted figures and its place in the reports, and nothing runs."""

import os
from unittest.mock import Mock

import numpy as np
import pytest
from command import backprop
from planted import failing

from backprop import Cost, Network, blas
from backprop.bench.budget import Budget
from backprop.bench.forecast import Speeds, predicted_time
from backprop.bench.journal import read_journal
from backprop.bench.machine import Limits
from backprop.bench.places import NOTE, Place, Predicted
from backprop.bench.scenarios import Scenario
from backprop.bench.suites import Suite
from backprop.bench.turns import Schedule

SWEEP = """
networks = ["4-3-2", "9-4-2", "49-32-10", "784-512-10"]
batches = [1, 8]
strategies = ["short-form", "full-jacobian", "finite-differences"]
"""
SMALL = Scenario.of(Network.mlp(9, 4, 3), 8, "float64")
ROOMY = Budget(1e12, 1e9)


@pytest.fixture
def predict(monkeypatch):
    """The records of the strategies in SMALL on a slow machine; whoever makes data, as to call one, fails."""
    monkeypatch.setattr("backprop.bench.places.measure_limits", lambda dtype: Limits(1e9, 1e8))
    monkeypatch.setattr(Scenario, "samples", lambda *_: pytest.fail("data was made"))

    def run(strategies, budget=ROOMY, scenario=SMALL):
        suite = Suite.of("one", strategies, [scenario], Schedule())
        place: Place = Predicted(suite, 1)
        ((_, found),) = place.measure([scenario], budget, Mock())
        assert found.agreements == []
        return {record.strategy: record for record in found.records}

    return run


def test_a_cell_that_fits_is_predicted_and_not_measured(predict):
    record = predict(["short-form"])["short-form"]
    assert (record.status, record.measured, record.time_median_s) == ("predicted", False, None)
    assert record.predicted_time_s == max(record.predicted_flops / 1e9, record.predicted_bytes_moved / 1e8)
    assert "--predict" in record.reason


def test_a_black_box_is_predicted_by_its_passes(predict):
    record = predict(["finite-differences"])["finite-differences"]
    assert record.predicted_time_s >= record.forward_calls * SMALL.network.forward_flops(8) / 1e9


def test_the_steps_of_a_recurrent_layer_take_what_the_loss_takes_beyond_the_limits():
    """Complex numbers take four times the operations, and the same steps."""
    network, speeds = Network.parse("4x3 rnn5 2"), Speeds(Limits(1e9, 1e8), loss_s=1e-3, overhead_s=0.9e-3)
    reverse = Cost(flops=2_000_000, bytes_moved=100_000, peak_bytes=1, forward_calls=1, passes=3)
    assert predicted_time(reverse, network, 8, speeds) == pytest.approx(2e-3 + 3 * 0.9e-3)
    black_box = Cost(flops=40 * network.forward_flops(8), bytes_moved=1, peak_bytes=1, forward_calls=10)
    assert predicted_time(black_box, network, 8, speeds) == pytest.approx(40 * 0.1e-3 + 10 * 0.9e-3)
    assert predicted_time(black_box, SMALL.network, 8, speeds) == pytest.approx(
        black_box.flops / SMALL.network.forward_flops(8) * 1e-3
    )


def test_the_loss_is_measured_where_it_fits_and_bounded_where_it_does_not():
    network, dtype = Network.mlp(784, 512, 10), np.dtype("float64")
    endless = Limits(1e30, 1e30)  # so that the bound is nothing
    measured = Speeds.of(network, 8, dtype, endless, memory_bytes=1e9)
    assert measured.loss_s > 1e-6
    assert measured.overhead_s == pytest.approx(measured.loss_s)
    assert Speeds.of(network, 8, dtype, endless, memory_bytes=1e6).loss_s < 1e-15


def test_budgets_leave_out_what_they_would_leave_out_of_a_run(predict):
    record = predict(["full-jacobian"], Budget(1.0, 1e9))["full-jacobian"]
    assert record.status == "over-memory-budget"
    record = predict(["finite-differences"], Budget(1e12, 1e-9))["finite-differences"]
    assert record.status == "over-time-budget"
    assert record.reason.startswith("19 calls of about ")  # 2 to verify, 5 of learning, 12 in turns


def test_what_cannot_be_done_or_predicted_says_so(predict):
    records = predict([f"{failing.__file__}:{name}" for name in ("Unsupported", "CostRaises")])
    assert {name: record.status for name, record in records.items()} == {
        "not-for-this": "unsupported",
        "cost-raises": "crashed",
    }


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has one thread")
def test_memory_is_predicted_for_the_threads_of_the_scenario(predict):
    def peak(strategy, threads):
        scenario = Scenario.of(Network.mlp(784, 512, 10), 128, "float32", threads=threads)
        return predict([strategy], scenario=scenario)[strategy].predicted_peak_bytes

    # beside two threads short-form leaves no inputs out, and has no buffers for it
    assert peak("short-form", 1) > peak("short-form-dense", 1)
    assert peak("short-form", 2) == peak("short-form-dense", 2)


def test_the_threads_of_a_scenario_are_those_of_its_limits(predict, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "backprop.bench.places.measure_limits",
        lambda dtype: seen.append(blas.threads()) or Limits(1e9, 1e8),
    )
    for threads in (2, 1):
        scenario = Scenario.of(Network.mlp(9, 4, 3), 8, "float64", threads=threads)
        assert predict(["short-form"], scenario=scenario)["short-form"].threads == threads
    assert seen == [2, 1]


def test_a_predicted_sweep_is_a_run_with_reports_and_goes_on_only_as_one(tmp_path):
    (tmp_path / "sweep.toml").write_text(SWEEP, encoding="utf-8")
    done = backprop("run", "--predict", "--suite", "sweep.toml", "--out", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    run, records, _ = read_journal(tmp_path / "run")
    assert len(records) == 24
    assert {r.status for r in records} <= {"predicted", "over-memory-budget", "over-time-budget"}
    assert all(r.predicted_peak_bytes and r.predicted_time_s for r in records)
    assert "**No cell was measured; predicted for the same gradient: " in (
        tmp_path / "run" / "report.md"
    ).read_text(encoding="utf-8")
    assert "24 cells predicted" in done.out
    assert done.out.count("≈ ") == 3 * 24  # time, ratio and memory of every row
    assert run.notes == [NOTE]
    path = tmp_path / "run" / "records.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:5]), encoding="utf-8")
    done = backprop("run", "--suite", "sweep.toml", "--out", "run", "--resume", cwd=tmp_path)
    assert (done.code, "place 'predicted' and this one 'one machine'" in done.error_sentence) == (2, True)
    done = backprop("run", "--predict", "--suite", "sweep.toml", "--out", "run", "--resume", cwd=tmp_path)
    assert done.code == 0
    assert [(r.scenario, r.strategy) for r in read_journal(tmp_path / "run")[1]] == [
        (r.scenario, r.strategy) for r in records
    ]


def test_two_places_at_once_are_refused(tmp_path):
    done = backprop("run", "--predict", "--workers", "2", "--suite", "quick", cwd=tmp_path)
    assert done.code == 2
    assert done.error_sentence == "Error: --predict and --workers are given; expected one of them."

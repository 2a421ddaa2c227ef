"""`backprop accuracy`: errors are measured, held against their models, and a wrong strategy is named."""

import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from command import backprop
from planted import wrong

from backprop import Network, find_strategy
from backprop.bench.accuracy import FIELDS, ErrorRow, curves, experiments, predicted_bottoms
from backprop.bench.commands.run import measure_curves
from backprop.bench.report.accuracy import accuracy_frame, broken, report_text, write_accuracy


@pytest.fixture(scope="module", autouse=True)
def small_network():
    """The network of the step curves with a tenth of the parameters: every point of a curve perturbs each of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backprop.bench.accuracy._SMOOTH", Network.mlp(9, 6, 4, activation="tanh"))
        yield


@pytest.fixture(scope="module")
def frame(small_network):
    """The step and scale curves, with half of the command's points, and the grid of the short form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backprop.bench.accuracy._STEPS", np.logspace(-15, 0, 16))
        rows = [one.measure() for one in experiments([find_strategy("short-form")])]
    return accuracy_frame(rows)


def test_the_grid_covers_dtype_batch_width_and_depth(frame):
    grid = frame[frame.experiment == "grid"]
    assert set(grid.dtype) == {"float32", "float64"}
    assert set(grid.batch_size) == {1, 8, 64}
    assert {network.split()[0] for network in grid.network} >= {"49-8-10", "49-128-10", "49-16-16-16-16-10"}
    assert grid.within.all()
    assert (grid.error > 0).all()


def test_a_row_is_within_its_model_or_beyond(frame):
    row = dict(frame.iloc[0][list(FIELDS)]) | {"tolerance": 1e-3}
    assert [ErrorRow(**row | {"error": error}).within for error in (1e-3, 2e-3)] == [True, False]


def test_the_bottom_of_every_v_lies_where_theory_puts_it(frame):
    for (strategy, dtype), (step, error) in predicted_bottoms().items():
        curve = frame[(frame.experiment == "step") & (frame.strategy == strategy) & (frame.dtype == dtype)]
        bottom = curve.loc[curve.error.idxmin()]
        assert abs(math.log10(bottom.step / step)) < 1.2
        assert error / 3 < bottom.error < 30 * error
        assert curve.error.iloc[0] > 100 * bottom.error  # both arms of the V are there
        assert curve.error.iloc[-1] > 100 * bottom.error


def test_the_complex_step_has_no_v(frame):
    curve = frame[(frame.strategy == "complex-step") & (frame.dtype == "float64")]
    assert curve.error.max() < 3 * curve.error.min()


def test_only_p_minus_y_survives_large_logits(frame):
    largest = frame[(frame.experiment == "logit-scale") & (frame.logit_scale == frame.logit_scale.max())]
    finite = largest[largest.error.map(math.isfinite)]
    assert set(finite.strategy) == {"short-form"}
    assert (finite.error < finite.tolerance).all()


def test_a_model_that_is_broken_is_named(frame):
    altered = frame.copy()
    altered.loc[altered.index[0], "error"] = 1.0
    assert len(broken(altered)) == 1
    assert "1 beyond their model" in report_text(altered)
    assert "- short-form on 49-8-10" in report_text(altered)
    assert "every one within its model" in report_text(frame)


def test_the_same_rows_give_the_same_files(frame, tmp_path):
    first, second = write_accuracy(tmp_path / "a", frame), write_accuracy(tmp_path / "b", frame)
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        if one.suffix != ".pdf":  # which names its fonts at random
            assert one.read_bytes() == other.read_bytes()
    read = pd.read_csv(first[0])
    assert len(read) == len(frame)


def test_the_command_fails_where_a_strategy_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop.bench.accuracy.curves", lambda: itertools.islice(curves(), 0, None, 16))
    done = backprop("accuracy", "-s", f"{wrong.__file__}:MissingMean", "--json", cwd=tmp_path)
    assert done.code == 1
    assert json.loads(done.out)["broken"] > 0


def test_a_run_measures_the_curves_that_its_page_lacks_and_keeps_those_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop.bench.accuracy.curves", lambda: itertools.islice(curves(), 0, None, 16))
    run = tmp_path / "run"
    assert not measure_curves(run)
    written = pd.read_csv(run / "accuracy" / "accuracy.csv")
    assert len(written) == 20
    assert set(written.experiment) == {"step", "logit-scale"}
    assert (
        "within its model" not in (run / "accuracy" / "accuracy.md").read_text()
    )  # of no strategy was it asked
    (run / "accuracy" / "accuracy.csv").write_text("mine")
    assert not measure_curves(run)
    assert (run / "accuracy" / "accuracy.csv").read_text() == "mine"


def test_curves_that_are_interrupted_are_left_out(tmp_path, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("backprop.bench.accuracy.curves", lambda: [SimpleNamespace(measure=interrupted)])
    assert measure_curves(tmp_path)
    assert not (tmp_path / "accuracy").exists()

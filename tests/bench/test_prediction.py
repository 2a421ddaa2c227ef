"""`backprop predict`: any network, without a number of its size."""

import json
import math
import tracemalloc

import numpy as np
import pytest
from command import backprop
from outside.strategies import Checkpointed
from planted import failing

from backprop import BackpropError, Network, installed_strategies
from backprop.bench.budget import Budget
from backprop.bench.console import make_console
from backprop.bench.machine import Limits
from backprop.bench.places import Predicted
from backprop.bench.prediction import predictions, print_predictions, saved_by_layer
from backprop.bench.scenarios import Scenario
from backprop.bench.suites import Suite
from backprop.bench.turns import Schedule
from backprop.errors import ShapeError

LIMITS = Limits(flops_per_s=1e11, bytes_per_s=1e10)
NETWORKS = ["784-512-10", "768-3072-768", "12288-49152-12288"]
NO_LIMIT = Budget(math.inf, math.inf)


def predict(network="784-512-10", batch=32, dtype="float64", budget=NO_LIMIT, strategies=None):
    made = Network.parse(network)
    chosen = list((strategies or installed_strategies()).values())
    return {row["strategy"]: row for row in predictions(made, batch, dtype, chosen, budget, LIMITS)}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_derivation_has_its_row_and_nothing_of_the_network_is_allocated(network):
    predict(network)  # what is imported on first use is not the prediction's
    tracemalloc.start()
    try:
        rows = predict(network)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6
    assert set(rows) == set(installed_strategies())
    for row in rows.values():
        if "predicted_time_s" in row:
            parameters = Network.parse(network).parameter_count
            assert row["predicted_peak_bytes"] >= 8 * parameters
            assert row["predicted_time_s"] > 0


def test_the_figures_of_the_design():
    rows = predict("784-512-10", batch=1)
    assert rows["full-jacobian"]["predicted_peak_bytes"] > 1.64e9
    assert rows["finite-differences"]["forward_calls"] in (2 * 407050, 2 * 407050 + 1)
    assert rows["short-form"]["forward_calls"] == 1


def supported(rows):
    """The rows of strategies that can do the network: the others have a reason and no figures."""
    return {name: row for name, row in rows.items() if "predicted_time_s" in row}


def test_the_time_is_the_larger_of_flops_and_bytes_over_the_limits_and_that_of_a_black_box_its_passes():
    for row in supported(predict()).values():
        by_flops, by_bytes = row["predicted_flops"] / 1e11, row["predicted_bytes_moved"] / 1e10
        if row["forward_calls"] == 1:
            assert row["predicted_time_s"] == max(by_flops, by_bytes)
        else:
            assert row["predicted_time_s"] >= by_flops * (1 - 1e-12)


def test_a_prediction_is_the_one_of_a_run(monkeypatch):
    monkeypatch.setattr("backprop.bench.prediction.measure_limits", lambda dtype: LIMITS)
    monkeypatch.setattr("backprop.bench.forecast._loss_seconds", lambda *_: 1e-3)
    network, budget = Network.mlp(49, 32, 10), Budget(1e9, 60.0)
    rows = predictions(network, 8, "float64", list(installed_strategies().values()), budget)
    found = {row["strategy"]: row for row in rows}
    suite = Suite.of("one", list(found), [Scenario.of(network, 8, "float64")], Schedule())
    place = Predicted(suite, 1)
    place._limits["float64", 1] = LIMITS
    for record in place.records(suite.scenarios[0], budget):
        row = found[record.strategy]
        for figure in ("predicted_flops", "predicted_peak_bytes", "predicted_time_s"):
            assert getattr(record, figure) == row.get(figure)


def test_operations_beyond_64_bits_are_over_the_time_budget_and_no_crash():
    rows = predict("12288-49152-12288", budget=Budget(1e15, 60.0))
    row = rows["finite-differences"]
    assert row["predicted_flops"] > 2**63
    assert "the budget of a cell is 60 s" in row["reason"]


def test_the_fastest_comes_first_and_a_larger_network_costs_more():
    times = [row["predicted_time_s"] for row in supported(predict()).values()]
    assert times == sorted(times)
    small, large = supported(predict(NETWORKS[0])), supported(predict(NETWORKS[1]))
    assert all(large[name]["predicted_time_s"] > small[name]["predicted_time_s"] for name in small)


def test_of_a_strategy_without_a_cost_nothing_is_predicted_and_that_is_said():
    uncosted = Checkpointed()
    assert uncosted.predicted(Network.mlp(4, 3, 2), 1, np.dtype("float64")) is None
    rows = predict(strategies={"checkpointed": uncosted, **installed_strategies()})
    assert rows["checkpointed"] == {"strategy": "checkpointed", "fits": "unknown", "reason": "not predicted"}
    assert "predicted_time_s" not in rows[list(rows)[-1]]


def test_what_does_not_fit_says_why():
    row = predict()["full-jacobian"]
    peak, time = row["predicted_peak_bytes"], row["predicted_time_s"]

    def fits(memory, seconds):
        found = predict(budget=Budget(memory, seconds))["full-jacobian"]
        return found["fits"], found["reason"]

    assert fits(peak, time) == ("yes", "")
    assert fits(peak - 1, time) == ("no", "needs 1.66 GB; the budget is 1.66 GB")
    assert fits(peak, time * 0.999)[1].startswith("1 call of about ")
    assert fits(1, 1e-12)[1].startswith("needs 1.66 GB; the budget is 1 B")


def test_what_is_unsupported_says_so_and_comes_last():
    strategies = installed_strategies() | {"not-for-this": failing.Unsupported()}
    rows = predict(strategies=strategies)
    assert rows["not-for-this"] == {
        "strategy": "not-for-this",
        "fits": "no",
        "reason": "it wants another network",
    }
    assert list(rows)[-1] == "not-for-this"


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_nothing_is_refused(batch):
    with pytest.raises(ShapeError, match="expected at least one sample"):
        predict(batch=batch)


def test_another_dtype_is_refused():
    with pytest.raises(BackpropError, match="float16"):
        predict(dtype="float16")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_table_names_units_a_person_would_take(network, capsys):
    made, budget = Network.parse(network), Budget(2e9, 60)
    rows = predictions(made, 32, "float64", list(installed_strategies().values()), budget, LIMITS)
    print_predictions(make_console(), made, 32, "float64", budget, rows)
    printed = " ".join(capsys.readouterr().out.split())
    title = f"{made.parameter_count:,} parameters, batch 32, float64: predicted, not run"
    assert f"{title}; limits: 2 GB of memory, 60 s a call" in printed
    assert all(name in printed for name in installed_strategies())
    if network == NETWORKS[2]:
        assert " years" in printed
        assert " PB" in printed


def test_the_command_prints_json_of_any_network(tmp_path):
    done = backprop(
        "predict",
        "--network",
        "12288-49152-12288",
        "--batch",
        "4",
        "--memory-budget",
        "20GB",
        "--json",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    rows = {row["strategy"]: row for row in json.loads(done.out)}
    assert rows["full-jacobian"]["fits"] == "no"
    assert rows["short-form"]["predicted_peak_bytes"] > 9e9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--network", "4x3"], "4x3"),
        (["--batch", "0"], "The batch is 0"),
        (["--dtype", "int8"], "int8"),
        (["4-3-2"], "expected --network 4-3-2"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, arguments, said):
    done = backprop("predict", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error_sentence


def test_what_the_closed_form_saves_is_told_of_every_layer_that_has_two_derivations():
    network = Network.parse("784 64 batch-norm relu 64 residual(layer-norm 32 gelu 64) rms-norm 10")
    rows = saved_by_layer(network, 32, "float32")
    assert [row["layer"] for row in rows] == ["batch-norm", "residual(layer-norm 32 gelu 64)", "rms-norm"]
    assert all(row["parts_flops"] > 1.4 * row["closed_flops"] for row in rows)
    assert rows[0]["parts_bytes"] > 1.5 * rows[0]["closed_bytes"] > 0
    assert saved_by_layer(Network.mlp(784, 64, 10), 32, "float32") == []


def test_the_saving_by_layer_is_a_second_table_where_there_is_one(capsys):
    made = Network.parse("784 64 batch-norm relu 10")
    rows = predictions(made, 32, "float64", list(installed_strategies().values()), NO_LIMIT, LIMITS)
    print_predictions(make_console(), made, 32, "float64", NO_LIMIT, rows)
    shown = capsys.readouterr().out
    assert "what the closed form saves" in shown
    assert "2.43x" in shown.split("what the closed form saves")[1]  # 17 operations a number to 7

"""A planted allocation of 100 MB is found within 2%, whoever makes it."""

import importlib.util
import mmap
import tracemalloc

import numpy as np
import pytest

import backprop
from backprop import Network
from backprop.bench import steps
from backprop.bench.memory import best_tracker, high_water_bytes, measure_peak

PLANTED = 100_000_000
HAS_MEMRAY = importlib.util.find_spec("memray") is not None
WITH_MEMRAY = pytest.param(
    "memray", marks=pytest.mark.skipif(not HAS_MEMRAY, reason="memray is not installed")
)


def numpy_at_once():
    np.ones(PLANTED, np.uint8)


def numpy_in_pieces():
    kept = [np.ones(PLANTED // 10, np.uint8) for _ in range(10)]
    kept.clear()


def numpy_never_twice():
    for _ in range(3):
        np.ones(PLANTED, np.uint8)


def numpy_untouched():
    np.empty(PLANTED, np.uint8)


@pytest.mark.parametrize("tracker", ["tracemalloc", WITH_MEMRAY])
@pytest.mark.parametrize("plant", [numpy_at_once, numpy_in_pieces, numpy_never_twice, numpy_untouched])
def test_what_numpy_allocates_is_found(tracker, plant):
    assert measure_peak(plant, tracker).peak_bytes == pytest.approx(PLANTED, rel=0.02)


def by_mmap():
    with mmap.mmap(-1, PLANTED) as memory:
        memory[0] = 1


@pytest.mark.skipif(not HAS_MEMRAY, reason="memray is not installed")
def test_what_native_code_allocates_is_found_by_memray():
    assert measure_peak(by_mmap, "memray").peak_bytes == pytest.approx(PLANTED, rel=0.02)


def test_tracemalloc_does_not_see_native_code_which_is_why_the_record_names_the_tracker():
    assert measure_peak(by_mmap, "tracemalloc").peak_bytes < 0.01 * PLANTED


@pytest.mark.parametrize("tracker", ["tracemalloc", WITH_MEMRAY])
def test_what_was_there_before_does_not_count_and_the_result_comes_back(tracker):
    before = np.ones(PLANTED, np.uint8)
    result, peak = measure_peak(lambda: np.ones(PLANTED // 10, np.uint8), tracker)
    assert len(before) == 10 * len(result)
    assert peak == pytest.approx(PLANTED / 10, rel=0.02)


@pytest.mark.parametrize("tracker", ["tracemalloc", WITH_MEMRAY])
def test_a_call_that_raises_leaves_no_tracker_on(tracker):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        measure_peak(fail, tracker)
    assert not tracemalloc.is_tracing()
    assert measure_peak(numpy_at_once, tracker).peak_bytes == pytest.approx(PLANTED, rel=0.02)


def test_memray_is_taken_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert best_tracker() == "memray"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert best_tracker() == "tracemalloc"


def test_the_high_water_mark_is_that_of_the_whole_process_in_bytes():
    found = high_water_bytes()
    if found is None:
        pytest.skip("this system does not tell")
    numpy_at_once()
    assert high_water_bytes() >= found
    assert 10e6 < high_water_bytes() < 1e12


def test_what_an_activation_imports_is_no_memory_of_a_strategy_inside_of_a_residual_layer_either(monkeypatch):
    """The warm-up calls a tiny network with the activation of the scenario's."""
    seen = []
    network = Network.parse("4 residual(layer-norm 4 gelu 4) 2")
    scenario = steps.Scenario.of(network, 2, "float64")
    monkeypatch.setattr(
        steps.Network, "mlp", lambda *sizes, activation, loss: seen.append(activation) or network
    )
    bench = steps.Workbench(scenario, None, 1)
    steps.Steps(bench, backprop.find_strategy("layerwise-vjp"), "tracemalloc").warm_up()
    assert seen == ["gelu"]

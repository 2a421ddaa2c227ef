"""What it costs that a strategy can be watched: nothing, as long as it is not watched.

    absent      the plain network: strategies have no hook, so this is the same code as ever
    afterwards  the same once it has been watched: nothing of it is left behind
    watching    the same while every step is recorded; not for measuring

The ratios of one run, relative to the fastest, stand in brackets behind the times. The first two are an A/A pair:
what lies between them is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

_STRATEGIES = ("full-jacobian", "batched-jacobian", "layerwise-vjp", "short-form")
_SIZES, _SAMPLES = (8, 16, 4), 8


@pytest.mark.parametrize("observer", ["absent", "afterwards", "watching"])
@pytest.mark.parametrize("name", _STRATEGIES)
def test_observer(benchmark: BenchmarkFixture, name: str, observer: str) -> None:
    """One gradient of a network so small that a hook of any kind would show."""
    from backprop import Network, find_strategy
    from backprop.explain import trace

    benchmark.group = f"observer: {name}"
    rng, strategy = np.random.default_rng(0), find_strategy(name)
    network = Network.mlp(*_SIZES)
    params = network.init(rng)
    inputs, labels = rng.standard_normal((_SAMPLES, network.inputs)), rng.integers(0, 4, _SAMPLES)
    batch = network.batch(inputs, labels, params.dtype)
    if observer == "watching":
        benchmark(trace, strategy, network, params, batch)
        return
    if observer == "afterwards":
        trace(strategy, network, params, batch)
    plan = strategy.prepare(network, _SAMPLES, params.dtype)
    benchmark(strategy.value_and_gradient, plan, params, batch)

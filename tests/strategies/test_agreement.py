"""Every strategy finds the gradient that autograd finds, within the error that it claims."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from over import over, part
from tables import (
    DTYPES,
    EXACT_STRATEGIES,
    PROPERTY,
    SCENARIOS,
    STRATEGIES,
    arrays_of,
    cells,
    comparable,
    oracle,
    relative_error,
    run,
    sample,
    smooth_parameters,
    truth,
)

from backprop import Batch, Network
from backprop.layers import GELU, HIDDEN, Linear, ReLU, Softmax, Tanh
from backprop.losses import LOSSES
from backprop.strategies import forward_mode, local_finite_differences, sparse_jacobian

every_strategy = pytest.mark.parametrize("name", STRATEGIES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def scenarios_and_dtypes(first):
    """Every scenario with one of the dtypes, which take turns, or with the other one."""
    return [(scenario, DTYPES[(k + first) % 2]) for k, scenario in enumerate(SCENARIOS)]


@pytest.mark.parametrize("first", part([True, False], 2), ids={True: "one dtype", False: "the other"}.get)
@every_strategy
@over(case=scenarios_and_dtypes)
def test_the_gradient_and_every_tensor_of_it_match_autograd_within_the_claimed_tolerance(name, first, case):
    scenario, dtype = case
    strategy, network = STRATEGIES[name], SCENARIOS[scenario].network
    if strategy.unsupported(network, np.dtype(dtype)) is not None:
        return
    params, batch = SCENARIOS[scenario].sample(dtype)
    loss, gradient = run(strategy, network, params, batch)

    assert isinstance(loss, float)
    value, expected = truth(scenario, dtype)
    assert abs(loss - value) <= 32 * np.finfo(dtype).eps * max(1, value)
    assert abs(loss - network.loss(params, *batch)) <= 32 * np.finfo(dtype).eps * max(1, value)

    assert gradient.dtype == dtype
    assert gradient.layout == network.layout
    keep = comparable(strategy, scenario, dtype)
    assert relative_error(gradient.vector, expected, keep) <= strategy.accuracy.tolerance(
        network, np.dtype(dtype)
    )
    if name in EXACT_STRATEGIES:  # a small bias gradient could be wrong and be lost in the norm of all
        tensors, scale = network.layout.views(expected), np.abs(expected).max()
        for tensor in network.layout.names:
            assert np.abs(gradient[tensor] - tensors[tensor]).max() <= 32 * np.finfo(dtype).eps * scale


def test_few_parameters_are_left_out_because_of_a_kink():
    for scenario in SCENARIOS:
        for dtype, share in (("float32", 0.75), ("float64", 0.98)):
            step = float(np.finfo(dtype).eps) ** (1 / 3)
            assert smooth_parameters(scenario, dtype, step).mean() > share


widths = st.lists(st.integers(1, 6), min_size=2, max_size=5).map(lambda sizes: (*sizes[:-1], sizes[-1] + 1))


BOUNDED = sorted(name for name in HIDDEN if name != "dropout" and not name.endswith("-norm"))
"""The activations of which rounding is known for any weights: others divide by what may be small, or double sums."""


@PROPERTY
@given(
    sizes=widths,
    batch_size=st.integers(1, 5),
    activation=st.sampled_from(BOUNDED),
    loss=st.sampled_from(sorted(LOSSES)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_exact_strategies_match_autograd_on_any_network(sizes, batch_size, activation, loss, dtype, seed):
    network, rng = Network.mlp(*sizes, activation=activation, loss=loss), np.random.default_rng(seed)
    params = network.init(rng, dtype)
    batch = Batch(
        rng.standard_normal((batch_size, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], batch_size)
    )
    with np.errstate(all="ignore"):
        loss_of_outputs = network.loss_function.value(network.forward(params, batch.inputs), batch.labels)
    assume(np.isfinite(loss_of_outputs))  # an output that rounds to 1 has no finite -log(1 - y)
    _, expected = oracle(network, params, batch)
    # an absolute bound: of a sample that is certain already, the gradient is nothing but rounding
    size = 1 + np.linalg.norm(expected) + np.abs(batch.inputs).max()
    for strategy in EXACT_STRATEGIES.values():
        if strategy.unsupported(network, np.dtype(dtype)) is None:
            _, gradient = run(strategy, network, params, batch)
            error = np.linalg.norm(gradient.vector - expected)
            assert error <= strategy.accuracy.tolerance(network, np.dtype(dtype)) * size, strategy.name


@every_strategy
@over(case=lambda name: cells({name: STRATEGIES[name]}, ["deep-tanh", "squares-linear"]))
def test_parameters_and_samples_are_not_modified(name, case):
    """They are frozen: a write would raise. A writable copy must be as it was, too."""
    _, scenario, dtype = case
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    params_copy, batch_copy = params.copy(), Batch(batch.inputs.copy(), batch.labels.copy())
    run(STRATEGIES[name], network, params_copy, batch_copy)
    np.testing.assert_array_equal(params_copy.vector, params.vector)
    np.testing.assert_array_equal(batch_copy.inputs, batch.inputs)
    np.testing.assert_array_equal(batch_copy.labels, batch.labels)


@every_strategy
@over(case=lambda name: cells({name: STRATEGIES[name]}, ["deep-tanh", "toy-relu", "squares-softmax"]))
def test_a_plan_serves_other_parameters_and_samples_and_forgets_the_last(name, case):
    _, scenario, dtype = case
    strategy, network = STRATEGIES[name], SCENARIOS[scenario].network
    samples = [SCENARIOS[scenario].sample(dtype, seed) for seed in (10, 11, 10)]
    plan = strategy.prepare(network, len(samples[0][1].inputs), np.dtype(dtype))
    results = []
    for params, batch in samples:
        loss, gradient = run(strategy, network, params, batch, plan)
        results.append((loss, gradient.vector.copy()))
    for (loss, vector), (params, batch) in zip(results, samples, strict=True):
        fresh_loss, fresh = run(strategy, network, params, batch)
        assert abs(loss - fresh_loss) <= 8 * np.finfo(dtype).eps * max(1, fresh_loss)
        scale = np.linalg.norm(fresh.vector)
        tolerance = strategy.accuracy.tolerance(network, np.dtype(dtype))
        assert np.linalg.norm(vector - fresh.vector) <= tolerance * scale
    assert not np.allclose(results[0][1], results[1][1])


@every_strategy
@over(dtype=DTYPES)
def test_two_plans_share_no_memory(name, dtype):
    strategy, scenario = STRATEGIES[name], SCENARIOS["deep-tanh"]
    params, batch = scenario.sample(dtype)
    plans = [strategy.prepare(scenario.network, len(batch.inputs), np.dtype(dtype)) for _ in range(2)]
    results = [run(strategy, scenario.network, params, batch, plan) for plan in plans]
    first, second = (arrays_of([plan, result.gradient]) for plan, result in zip(plans, results, strict=True))
    assert first
    assert not any(np.shares_memory(a, b) for a in first for b in second)
    outside = arrays_of([params, batch])
    assert not any(np.shares_memory(a, b) for a in first for b in outside)


@every_strategy
def test_a_strategy_keeps_nothing_on_itself(name):
    strategy, scenario = STRATEGIES[name], SCENARIOS["deep-tanh"]
    before = dict(vars(strategy))
    run(strategy, scenario.network, *scenario.sample("float64"))
    assert vars(strategy) == before


@every_strategy
def test_inputs_may_lie_in_memory_in_any_way(name):
    strategy, scenario = STRATEGIES[name], SCENARIOS["deep-tanh"]
    params, batch = scenario.sample("float64")
    _, expected = oracle(scenario.network, params, batch)
    n, i = batch.inputs.shape
    strided = np.zeros((2 * n, 3 * i))[::2, ::3]
    strided[...] = batch.inputs
    for inputs in (np.asfortranarray(batch.inputs), strided, batch.inputs[::-1][::1]):
        labels = batch.labels[::-1] if inputs.base is batch.inputs else batch.labels
        _, gradient = run(strategy, scenario.network, params, Batch(inputs, labels.astype("uint8")))
        assert relative_error(gradient.vector, expected) <= strategy.accuracy.tolerance(
            scenario.network, np.dtype("float64")
        )


@every_dtype
def test_all_strategies_agree_in_pairs(dtype):
    scenario = SCENARIOS["deeper-tanh"]
    params, batch = scenario.sample(dtype)
    able = [s for s in STRATEGIES.values() if s.unsupported(scenario.network, np.dtype(dtype)) is None]
    gradients = [run(strategy, scenario.network, params, batch).gradient.vector for strategy in able]
    tolerances = [strategy.accuracy.tolerance(scenario.network, np.dtype(dtype)) for strategy in able]
    for j in range(len(able)):
        for k in range(j):
            error = relative_error(gradients[j], gradients[k].astype(float))
            assert error <= tolerances[j] + 2 * tolerances[k], (able[j], able[k])


ORDERS = (
    (ReLU(), Linear(4, 3), Softmax()),
    (Linear(4, 4), Softmax(), Linear(4, 5), Tanh(), GELU(), Linear(5, 3), Softmax()),
    (Linear(4, 3), Linear(3, 5), ReLU(), Softmax(), Tanh(), Linear(5, 3), Softmax()),
)


@every_strategy
@over(layers=ORDERS, loss=("cross-entropy", "mean-squared-error"))
def test_layers_may_follow_in_any_order(name, layers, loss):
    network, strategy = Network(layers, LOSSES[loss]()), STRATEGIES[name]
    if strategy.unsupported(network, np.dtype(float)) is not None:
        return
    params, batch = sample(network, 3)
    _, gradient = run(strategy, network, params, batch)
    error = relative_error(gradient.vector, oracle(network, params, batch)[1])
    assert error <= strategy.accuracy.tolerance(network, params.dtype)


BLOCKS = {
    "forward-mode": (forward_mode, "_BLOCK_BYTES", (1, 500, 1 << 14)),
    "local-finite-differences": (local_finite_differences, "_BLOCK_BYTES", (1, 2000, 1 << 14)),
    "sparse-jacobian": (sparse_jacobian, "_BLOCK_NUMBERS", (1, 24, 1 << 16)),
}
"""Where the size of a block stands: one number at a time, a few, and so many that the last block is short."""


@pytest.mark.parametrize("name", BLOCKS)
@over(scenario=("toy-relu", "deeper-tanh", "softmax-inside", "squares-tanh", "digits"), dtype=DTYPES)
def test_the_size_of_a_block_changes_nothing(name, scenario, dtype, monkeypatch):
    strategy, network = STRATEGIES[name], SCENARIOS[scenario].network
    module, constant, sizes = BLOCKS[name]
    for size in sizes[scenario == "digits" :]:  # a block of one would take seconds there
        monkeypatch.setattr(module, constant, size)
        loss, gradient = run(strategy, network, *SCENARIOS[scenario].sample(dtype))
        value, expected = truth(scenario, dtype)
        error = relative_error(gradient.vector, expected, comparable(strategy, scenario, dtype))
        assert error <= strategy.accuracy.tolerance(network, np.dtype(dtype))
        assert loss == pytest.approx(value, rel=float(32 * np.finfo(dtype).eps))

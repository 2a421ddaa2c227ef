"""Local finite differences are the quotients of the black box, kinks included, by other means."""

import numpy as np
import pytest
from over import over
from tables import DTYPES, SCENARIOS, STRATEGIES, oracle, relative_error, run

from backprop import Batch, Network
from backprop.strategies.finite_differences import FiniteDifferences
from backprop.strategies.local_finite_differences import LocalFiniteDifferences


def sample(network, n, dtype="float64", seed=0, zeros=0.0):
    rng = np.random.default_rng(seed)
    params = network.init(rng, dtype)
    inputs = rng.standard_normal((n, network.inputs)) * (rng.random((n, network.inputs)) >= zeros)
    return params, Batch(inputs.astype(dtype), rng.integers(0, network.classes, n))


def both(network, params, batch, step):
    """The gradients of the black box and of the local quotients with the same step."""
    kinds = FiniteDifferences(relative_step=step), LocalFiniteDifferences(relative_step=step)
    return [run(kind, network, params, batch).gradient.vector.copy() for kind in kinds]


SUPPORTED = [
    name
    for name, scenario in SCENARIOS.items()
    if LocalFiniteDifferences().unsupported(scenario.network, np.dtype(float)) is None
]


@pytest.mark.parametrize("dtype", DTYPES)
@over(scenario=SUPPORTED)
def test_both_are_the_same_quotients_up_to_rounding_even_with_a_large_step(scenario, dtype):
    """With a step of 1/16 truncation is large, and pre-activations go through kinks: in both alike."""
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    black_box, local = both(network, params, batch, 1 / 16)
    allowed = 16 * 32 * np.finfo(dtype).eps
    assert np.linalg.norm(local - black_box) <= allowed * (1 + np.linalg.norm(black_box))
    if scenario == "digits" and dtype == "float64":  # and neither is the derivative
        _, exact = oracle(network, params, batch)
        assert relative_error(local, exact) > 1e-4


def test_at_a_kink_both_give_the_mean_of_the_slopes():
    network = Network.mlp(1, 1, 1, loss="mean-squared-error")
    params, batch = sample(network, 1)
    params["W1"][...], params["b1"][...], params["W2"][...], params["b2"][...] = 1.0, -1.0, 1.0, 0.0
    batch.labels[...] = 1  # the target of the one output
    batch.inputs[...] = 1.0  # z is exactly zero, and the loss (relu(z) - 1)²
    black_box, local = both(network, params, batch, 1e-5)
    np.testing.assert_allclose(local, black_box, atol=1e-9)
    assert local[:2] == pytest.approx(-1, abs=1e-4)  # half of the slope to the right, -2
    assert run(STRATEGIES["short-form"], network, params, batch).gradient.vector[0] == 0


def test_inputs_of_zero_give_a_gradient_of_exactly_zero():
    network = Network.mlp(20, 6, 3, activation="tanh")
    params, batch = sample(network, 4, zeros=0.8)
    dead = ~batch.inputs.any(axis=0)
    assert 0 < dead.sum() < 20
    _, gradient = run(LocalFiniteDifferences(), network, params, batch)
    assert not gradient["W1"][dead].any()
    assert relative_error(gradient.vector, oracle(network, params, batch)[1]) < 1e-8


def test_a_batch_of_zeros_leaves_only_the_biases():
    network = Network.mlp(3, 4, 2)
    params, batch = sample(network, 2, zeros=1.0)
    params["b1"][...] = 0.5
    _, gradient = run(LocalFiniteDifferences(), network, params, batch)
    assert not gradient["W1"].any()
    assert relative_error(gradient.vector, oracle(network, params, batch)[1]) < 1e-8


def test_784_512_10_as_a_whole_is_within_the_model():
    """All 407,050 quotients, which would take the black box hours."""
    network = Network.mlp(784, 512, 10, activation="tanh")
    params, batch = sample(network, 2, zeros=0.8)
    _, gradient = run(LocalFiniteDifferences(), network, params, batch)
    error = relative_error(gradient.vector, oracle(network, params, batch)[1])
    tolerance = LocalFiniteDifferences().accuracy.tolerance(network, params.dtype)
    assert tolerance / 1000 <= error <= tolerance


def test_operations_are_counted_for_every_weight_and_sample():
    # two rows of 5 samples; a hidden weight: 4 + relu 1 + a row of two weights 4, loss 28; an output one: 4 + 4 + 28
    strategy, network = LocalFiniteDifferences(), Network.mlp(4, 3, 2)
    cost = strategy.cost(network, 5, np.dtype(float))
    rows = 2 * 5
    assert cost.flops == network.forward_flops(5) + rows * (15 * (4 + 1 + 4 + 28) + 8 * (4 + 4 + 28))
    assert cost.forward_calls == 1


def test_it_costs_a_thousandth_of_the_black_box_on_784_512_10():
    network, dtype = Network.mlp(784, 512, 10), np.dtype(float)
    local, black_box = (
        kind.cost(network, 32, dtype).flops for kind in (LocalFiniteDifferences(), FiniteDifferences())
    )
    assert local < black_box / 1000

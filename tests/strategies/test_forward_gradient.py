"""The forward gradient: unbiased, as far off as its model says, and honest about how far that is."""

import functools

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS, STRATEGIES, oracle, run

from backprop import Network
from backprop.strategies.forward_gradient import ForwardGradient

SCENARIO = SCENARIOS["deep-tanh"]
P = SCENARIO.network.parameter_count


@functools.cache
def estimates(strategy, count, dtype="float64"):
    """(count, p) estimates of one plan, their standard errors, and the gradient itself, drawn once."""
    params, batch = SCENARIO.sample(dtype)
    plan = strategy.prepare(SCENARIO.network, len(batch.inputs), params.dtype)
    found, claimed = [], []
    for _ in range(count):
        found.append(run(strategy, SCENARIO.network, params, batch, plan).gradient.vector.copy())
        claimed.append(plan.standard_error.vector.copy())
    return np.array(found, float), np.array(claimed, float), oracle(SCENARIO.network, params, batch)[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("directions", [1, 16])
def test_the_mean_of_many_estimates_is_the_gradient(directions, dtype):
    """Every element within 4.5 standard errors of the mean: 1 in 3000 for all of the 47 parameters."""
    found, _, exact = estimates(ForwardGradient(directions), 600, dtype)
    deviations = (found.mean(axis=0) - exact) / (found.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.abs(deviations).max() < 4.5
    assert np.sqrt(np.mean(deviations**2)) == pytest.approx(1, abs=0.35)


def test_a_bias_of_a_tenth_would_show():
    found, _, exact = estimates(ForwardGradient(40), 600)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.abs((1.1 * found.mean(axis=0) - exact) / error).max() > 4.5


@pytest.mark.parametrize("directions", [1, 4, 16, 40])
def test_the_mean_square_error_is_p_plus_one_over_k(directions):
    found, _, exact = estimates(ForwardGradient(directions), 600)
    squares = np.sum((found - exact) ** 2, axis=1) / np.sum(exact**2)
    assert squares.mean() == pytest.approx((P + 1) / directions, rel=0.12)
    model = ForwardGradient(directions).accuracy
    assert model.standard_error(SCENARIO.network) == pytest.approx(np.sqrt((P + 1) / directions))


@pytest.mark.parametrize("directions", [1, 4, 16, 40])
def test_no_estimate_of_hundreds_is_outside_the_model_and_the_model_is_not_loose(directions):
    found, _, exact = estimates(ForwardGradient(directions), 600)
    errors = np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact)
    tolerance = ForwardGradient(directions).accuracy.tolerance(SCENARIO.network, np.dtype(float))
    assert tolerance / 3 < errors.max() <= tolerance


def test_the_standard_error_is_the_spread_of_the_estimates():
    """The square of the standard error is unbiased; one estimate in about 20 is off by more than two of them."""
    found, claimed, exact = estimates(ForwardGradient(40), 600)
    ratios = np.sqrt(np.mean(claimed**2, axis=0)) / found.std(axis=0, ddof=1)
    assert ratios == pytest.approx(1, abs=0.15)
    assert np.mean(np.abs(found - exact) > 2 * claimed) == pytest.approx(0.05, abs=0.03)


def test_the_estimate_and_its_standard_error_are_those_of_the_directions_one_by_one():
    """Of one seed: k directions in one call are those of k calls with one direction each."""
    (found,), (claimed,), _ = estimates(ForwardGradient(4), 1)
    single = estimates(ForwardGradient(1), 4)[0]
    np.testing.assert_allclose(found, single.mean(axis=0), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(claimed, single.std(axis=0, ddof=1) / np.sqrt(4), rtol=1e-9, atol=1e-14)


def test_of_one_direction_no_standard_error_is_claimed():
    _, claimed, _ = estimates(ForwardGradient(1), 1)
    assert np.isinf(claimed).all()


def test_an_estimate_decides_nothing_and_an_exact_gradient_does():
    """With at most p directions the error is above one, where a gradient of zero would agree as well."""
    dtype = np.dtype(float)
    for network in (Network.mlp(4, 3, 2), Network.mlp(784, 512, 10)):
        assert STRATEGIES["forward-gradient"].accuracy.tolerance(network, dtype) >= 1
        assert STRATEGIES["short-form"].accuracy.tolerance(network, dtype) < 1
        assert STRATEGIES["short-form"].accuracy.standard_error(network) == 0
    assert ForwardGradient(23).accuracy.tolerance(Network.mlp(4, 3, 2), dtype) >= 1


def test_a_seed_gives_the_same_estimates_and_another_seed_others():
    first, again, other = (estimates.__wrapped__(ForwardGradient(4, seed=seed), 3)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first[0], first[1]), "every call draws new directions"


def test_the_state_of_numpys_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    estimates.__wrapped__(ForwardGradient(4), 1)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_by_default_there_are_as_many_directions_as_parameters_at_most():
    for sizes, expected in (((1, 1), 2), ((4, 3, 2), 16)):
        network = Network.mlp(*sizes, loss="mean-squared-error")
        assert STRATEGIES["forward-gradient"].prepare(network, 2, np.dtype(float)).directions == expected


def test_descent_along_the_estimates_goes_down():
    network, (params, batch) = SCENARIO.network, SCENARIO.sample("float64")
    params = params.copy()
    strategy = ForwardGradient(4)
    plan = strategy.prepare(network, len(batch.inputs), params.dtype)
    losses = []
    for _ in range(150):
        loss, gradient = run(strategy, network, params, batch, plan)
        params.vector -= 0.02 * gradient.vector
        losses.append(loss)
    assert losses[-1] < 0.6 * losses[0]

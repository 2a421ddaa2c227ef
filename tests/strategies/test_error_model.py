"""The measured error follows the error model over dtype, batch size, width and depth."""

import functools

import numpy as np
import pytest
from over import over
from tables import DTYPES, EXACT_STRATEGIES, STRATEGIES, oracle, relative_error, run, sample

from backprop import Batch, Network

QUOTIENTS = {
    name: STRATEGIES[name]
    for name in (
        "finite-differences",
        "finite-differences-forward",
        "finite-differences-richardson",
        "local-finite-differences",
    )
}

TOO_SLOW = 1e8  # operations: p complex passes of a large batch


@functools.cache
def with_truth(network, dtype, batch_size, seed):
    """Parameters, a batch and the gradient (p,) by autograd, found once."""
    params, batch = sample(network, batch_size, dtype, seed)
    return params, batch, oracle(network, params, batch)[1]


def errors(strategy, network, dtype, batch_size, seeds=2):
    """Relative errors against autograd for several seeds."""
    measured = []
    for seed in range(seeds):
        params, batch, expected = with_truth(network, dtype, batch_size, seed)
        _, gradient = run(strategy, network, params, batch)
        measured.append(relative_error(gradient.vector, expected))
    return measured


@pytest.mark.parametrize("name", EXACT_STRATEGIES)
@over(sizes=((8, 4, 3), (8, 16, 3), (30, 40, 10), (6, *(8,) * 8, 4)), dtype=DTYPES, batch_size=(1, 8, 64))
def test_exact_derivations_err_by_a_small_multiple_of_eps(name, dtype, batch_size, sizes):
    network, strategy = Network.mlp(*sizes, activation="tanh"), EXACT_STRATEGIES[name]
    cost = strategy.predicted(network, batch_size, np.dtype(dtype))
    if cost is not None and cost.flops > TOO_SLOW:
        return
    tolerance = strategy.accuracy.tolerance(network, np.dtype(dtype))
    for error in errors(strategy, network, dtype, batch_size):
        assert error <= tolerance
        if dtype == "float32":  # of float64 the oracle itself errs as much
            assert error >= tolerance / 1000


@pytest.mark.parametrize("name", QUOTIENTS)
@over(
    case=(
        ((4, 3), "tanh"),
        ((8, 4, 3), "tanh"),
        ((8, 16, 3), "sigmoid"),
        ((10, 12, 8, 4), "gelu"),
        ((20, 12, 8), "tanh"),
        ((6, *(8,) * 5, 4), "tanh"),
    ),
    dtype=DTYPES,
    batch_size=(1, 8),
)
def test_difference_quotients_err_as_theory_says(name, dtype, batch_size, case):
    sizes, activation = case
    network, strategy = Network.mlp(*sizes, activation=activation), QUOTIENTS[name]
    tolerance = strategy.accuracy.tolerance(network, np.dtype(dtype))
    for error in errors(strategy, network, dtype, batch_size):
        assert tolerance / 300 <= error <= tolerance


@pytest.mark.parametrize("name", QUOTIENTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_tolerance_of_difference_quotients_is_not_loose(name, dtype):
    """The worst error over many networks comes within a factor of 30 of what is allowed."""
    strategy, shares = QUOTIENTS[name], []
    for sizes, activation in (((4, 3), "tanh"), ((5, 4, 3), "tanh"), ((6, 5, 3), "sigmoid")):
        network = Network.mlp(*sizes, activation=activation)
        tolerance = strategy.accuracy.tolerance(network, np.dtype(dtype))
        shares += [error / tolerance for n in (1, 4) for error in errors(strategy, network, dtype, n, 8)]
    assert 1 / 30 <= max(shares) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["central", "forward"])
def test_the_error_of_a_sample_of_784_512_10_is_within_the_model(kind, dtype):
    """All 407,050 quotients would take hours: a few of every tensor stand for the rest."""
    name = "finite-differences" if kind == "central" else "finite-differences-forward"
    network, rng = Network.mlp(784, 512, 10, activation="tanh"), np.random.default_rng(0)
    params = network.init(rng, dtype)
    inputs, labels = rng.standard_normal((2, 784)).astype(dtype), rng.integers(0, 10, 2)
    expected = network.layout.views(oracle(network, params, Batch(inputs, labels))[1])
    relative_step = float(np.finfo(dtype).eps) ** (1 / 3 if kind == "central" else 1 / 2)

    def loss_at(tensor, index, value):
        before, tensor[index] = tensor[index], value
        loss = network.loss(params, inputs, labels)
        tensor[index] = before
        return loss

    squares = 0.0
    for tensor_name, tensor in params.items():
        chosen = rng.choice(tensor.size, min(40, tensor.size), replace=False)
        differences = []
        for index in (np.unravel_index(k, tensor.shape) for k in chosen):
            value = tensor[index]
            step = tensor.dtype.type(relative_step * max(1, abs(value)))
            below = value - step if kind == "central" else value
            rise = loss_at(tensor, index, value + step) - loss_at(tensor, index, below)
            differences.append(rise / ((value + step) - below) - expected[tensor_name][index])
        squares += np.square(differences, dtype=float).mean() * tensor.size
    norm = np.sqrt(sum(np.square(tensor).sum() for tensor in expected.values()))
    tolerance = STRATEGIES[name].accuracy.tolerance(network, np.dtype(dtype))
    assert tolerance / 200 <= np.sqrt(squares) / norm <= tolerance


@pytest.mark.parametrize("dtype", DTYPES)
def test_extrapolated_differences_beat_central_ones_those_forward_ones_and_exact_ones_all(dtype):
    network = Network.mlp(8, 6, 3, activation="tanh")
    central, forward, richardson, local = (
        np.median(errors(s, network, dtype, 8, 5)) for s in QUOTIENTS.values()
    )
    exact = np.median(errors(STRATEGIES["short-form"], network, dtype, 8, 5))
    assert exact < richardson < central / 3 < forward / 6
    assert central / 10 < local < 2 * central


@pytest.mark.parametrize("name", ["finite-differences", "local-finite-differences"])
def test_the_error_over_the_step_is_a_v_with_its_bottom_where_truncation_meets_rounding(name):
    """Above the best step the error grows as h², below it as 1/h."""
    network, kind = Network.mlp(8, 6, 3, activation="tanh"), type(STRATEGIES[name])
    best = float(np.finfo(float).eps) ** (1 / 3)
    left, bottom, right = (
        np.median(errors(kind(relative_step=best * f), network, "float64", 8, 5)) for f in (1e-4, 1, 1e3)
    )
    assert bottom < left / 100
    assert bottom < right / 1000
    farther = np.median(errors(kind(relative_step=best * 1e2), network, "float64", 8, 5))
    assert np.log10(right / farther) == pytest.approx(2, abs=0.2)
    nearer = np.median(errors(kind(relative_step=best * 1e-3), network, "float64", 8, 5))
    assert np.log10(left / nearer) == pytest.approx(1, abs=0.3)


def test_the_complex_step_has_no_best_step_its_square_only_has_to_vanish():
    network, kind = Network.mlp(8, 6, 3, activation="tanh"), type(STRATEGIES["complex-step"])
    for step in (1e-150, 1e-100, 1e-30, 1e-8):
        for error in errors(kind(step=step), network, "float64", 8):
            assert error <= STRATEGIES["complex-step"].accuracy.tolerance(network, np.dtype(float))


def test_the_exponents_show_between_the_dtypes():
    """From float32 to float64, eps falls by 2^29, and the error by that to the power of the model."""
    network = Network.mlp(8, 6, 3, activation="tanh")
    for strategy in [*QUOTIENTS.values(), *(STRATEGIES[n] for n in ("short-form", "complex-step"))]:
        narrow, wide = (np.median(errors(strategy, network, dtype, 8, 5)) for dtype in DTYPES)
        assert np.log2(narrow / wide) / 29 == pytest.approx(strategy.accuracy.exponent, abs=0.08)


def test_tolerances_are_the_formula():
    network = Network.mlp(4, 3, 2)  # p = 23
    eps = float(np.finfo(np.float32).eps)
    tolerance = QUOTIENTS["finite-differences"].accuracy.tolerance(network, np.dtype("float32"))
    assert tolerance == pytest.approx(30 * 23**0.25 * eps ** (2 / 3))
    exact = STRATEGIES["short-form"].accuracy
    assert exact.tolerance(network, np.dtype("float32")) == pytest.approx(32 * eps)
    assert all(strategy.accuracy.reason for strategy in STRATEGIES.values())

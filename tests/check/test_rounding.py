"""The bound of rounding: no right gradient reaches it, and it is no wider than rounding is."""

import functools

import numpy as np
import pytest
from over import over
from planted.gradients.cases import RIGHT_CASES
from planted.gradients.networks import NETS

from backprop import Network
from backprop.check.answers import value_and_gradient
from backprop.check.network.rounding import ROOM, rounding
from backprop.check.points import structure_of
from backprop.verify import reference_gradient


@functools.cache
def bound_and_truth(name):
    one = NETS[name]
    params, batch = one.sample()
    return rounding(one.network, params, batch, params.dtype).bound, reference_gradient(
        one.network, params, batch
    )


@pytest.mark.parametrize("net", sorted({case.net for case in RIGHT_CASES}))
@over(case=lambda net: [case for case in RIGHT_CASES if case.net == net])
def test_right_gradients_stay_far_below_it(net, case):
    bound, truth = bound_and_truth(net)
    params, batch = NETS[net].sample()
    structure, _ = structure_of(dict(params))
    with np.errstate(all="ignore"):
        _, gradient = value_and_gradient(case.make()(dict(params), *batch), structure)
    for name in truth:
        assert np.max(np.abs(np.asarray(gradient[name]) - truth[name]) / bound[name]) < 0.25


@over(name=NETS)
def test_it_is_a_small_multiple_of_eps(name):
    bound, truth = bound_and_truth(name)
    eps = np.finfo(NETS[name].dtype).eps
    for tensor in truth:
        share = np.linalg.norm(bound[tensor]) / np.linalg.norm(truth[tensor].astype(float))
        assert share < 100 * ROOM * eps


def test_a_softmax_that_is_sure_hides_no_mistake():
    """Logits of about 50, and a squared error of the softmax, so that it is not joined with the loss."""
    network = Network.mlp(6, 5, 4, activation="tanh", loss="mean-squared-error", output="softmax")
    rng = np.random.default_rng(0)
    params = network.init(rng)
    params["W2"][...] *= 20
    batch = network.batch(rng.standard_normal((7, 6)), rng.integers(0, 4, 7), params.dtype)
    bound, truth = (
        rounding(network, params, batch, params.dtype).bound,
        reference_gradient(network, params, batch),
    )
    for name in truth:
        assert np.linalg.norm(bound[name]) < 1e-8 * np.linalg.norm(truth[name].astype(float))


def test_it_is_zero_where_the_gradient_is_zero_for_certain():
    one = NETS["relu"]
    params, batch = one.sample()
    batch.inputs[:, 4] = 0
    bound = rounding(one.network, params, batch, params.dtype).bound
    assert np.max(bound["W1"][4]) < 1e-300
    assert np.min(bound["W2"]) >= 0


def test_it_follows_the_dtype():
    one = NETS["tanh"]
    params, batch = one.sample()
    double, single = (
        rounding(one.network, params, batch, np.dtype(name)).bound.vector for name in ("float64", "float32")
    )
    ratio = np.finfo(np.float32).eps / np.finfo(np.float64).eps
    assert single == pytest.approx(double * ratio, rel=0.3)


def test_a_longer_sum_may_round_more():
    def of(n):
        network = Network.mlp(4, 3, 2, activation="tanh")
        params = network.init(np.random.default_rng(0))
        batch = network.batch(np.ones((n, 4)), np.zeros(n, int), params.dtype)
        bound = rounding(network, params, batch, params.dtype).bound["b1"]
        return np.linalg.norm(bound) / np.linalg.norm(
            reference_gradient(network, params, batch)["b1"].astype(float)
        )

    assert of(10_000) > 5 * of(1)


def test_smooth_networks_have_no_kinks_and_relu_has_them_at_zero():
    for name, expected in (("tanh", False), ("relu", True)):
        one = NETS[name]
        params, batch = one.sample()
        params.vector[:] = np.where(np.abs(params.vector) < 0.1, 0, params.vector)
        params["b1"][...] = 0
        batch.inputs[2] = 0
        found = rounding(one.network, params, batch, params.dtype).kinked
        assert bool(found) == expected
        if expected:
            assert found[1][2].all()
            assert not found[1][[0, 1, 3, 4, 5]].any()


def test_both_sides_of_a_kink_fit_into_the_wider_bound():
    one = NETS["relu"]
    params, batch = one.sample()
    params["b1"][...] = 0
    batch.inputs[2] = 0
    narrow, wide = (
        rounding(one.network, params, batch, params.dtype, sides=sides).bound for sides in (False, True)
    )
    assert np.any(wide["b1"] > 1e6 * narrow["b1"])
    assert np.all(wide["b1"] >= narrow["b1"])
    assert np.array_equal(wide["W2"], narrow["W2"])


@pytest.mark.parametrize(
    ("gap", "on_the_edge"),
    [(0.0, True), (2.0**-53, True), (-(2.0**-52), True), (0.25, False), (-0.25, False)],
)
def test_both_sides_of_the_edge_of_the_hinge_loss_fit_into_it(gap, on_the_edge):
    """Two outputs are a margin apart: rounding that moves both of them the same way would not pass the edge."""
    network = Network.mlp(2, 3, loss="hinge")
    params = network.init(np.random.default_rng(0))
    params["W1"][...] = 0
    params["b1"][...] = 0.5, gap - 0.5, -3
    batch = network.batch(np.ones((1, 2)), np.array([0]), params.dtype)
    bound = rounding(network, params, batch, params.dtype).bound["b1"]
    assert np.all(bound[:2] >= 1) if on_the_edge else np.max(bound) < 1e-14
    assert bound[2] < 1e-14

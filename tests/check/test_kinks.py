"""Kinks and flat spots are told from mistakes: any slope between both sides passes, and the rest is still checked."""

import numpy as np
import pytest

from backprop import Batch, Network
from backprop.check.network import check_network_gradient
from backprop.check.network.truth import CONVENTIONS
from backprop.verify import reference_gradient

pytestmark = pytest.mark.usefixtures("without_lines")

NETWORK = Network.mlp(6, 5, 4, 3)


def sample(dtype="float64"):
    """A network with biases of zero, and a batch with a sample of zeros: its pre-activations are 0 in every layer."""
    rng = np.random.default_rng(0)
    params = NETWORK.init(rng, dtype)
    inputs = rng.standard_normal((5, 6)).astype(dtype)
    inputs[2] = 0
    return params, Batch(inputs, np.array([0, 1, 2, 1, 0]))


def gradient(slope, change=lambda g: None):
    """The gradient with relu' = `slope(z)`, and something done to it."""

    def function(params, inputs, labels):
        z1 = inputs @ params["W1"] + params["b1"]
        a1 = np.maximum(z1, 0)
        z2 = a1 @ params["W2"] + params["b2"]
        a2 = np.maximum(z2, 0)
        z3 = a2 @ params["W3"] + params["b3"]
        e = np.exp(z3 - z3.max(axis=1, keepdims=True))
        d3 = e / e.sum(axis=1, keepdims=True)
        d3[np.arange(len(labels)), labels] -= 1
        d3 /= d3.dtype.type(len(labels))
        d2 = (d3 @ params["W3"].T) * slope(z2).astype(z2.dtype)
        d1 = (d2 @ params["W2"].T) * slope(z1).astype(z1.dtype)
        g = {"W1": inputs.T @ d1, "W2": a1.T @ d2, "W3": a2.T @ d3}
        g |= {"b1": d1.sum(axis=0), "b2": d2.sum(axis=0), "b3": d3.sum(axis=0)}
        change(g)
        return g

    return function


def above(z):
    return z > 0


def mixed(z):
    """A slope that takes the left side for every other unit, and the right side for the rest, as rounding may."""
    side = np.arange(z.shape[1]) % 2
    return np.where(z == 0, side, z > 0)


def checked(function, dtype="float64"):
    return check_network_gradient(NETWORK, function, *sample(dtype), np.random.default_rng(1))


SLOPES = {
    "z > 0": above,
    "z >= 0": lambda z: z >= 0,
    "half": lambda z: np.heaviside(z, 0.5),
    "each its own": mixed,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SLOPES)
def test_every_subgradient_is_right_and_the_kink_is_reported(name, dtype):
    found = checked(gradient(SLOPES[name]), dtype)
    assert (found.verdict, found.findings) == ("right", ())
    entries = {(kink.tensor, kink.index) for kink in found.kinks}
    assert entries == {("b1", (k,)) for k in range(5)} | {("b2", (k,)) for k in range(4)}
    assert "edge of relu" in found.kinks[0].reason
    assert "z1[2, 0]" in found.kinks[0].reason


@pytest.mark.parametrize("name", SLOPES)
def test_a_wrong_entry_beside_a_kink_is_found(name):
    def change(g):
        g["W1"][1, 1] += 0.01

    found = checked(gradient(SLOPES[name], change))
    assert {tensor.name for tensor in found.tensors if tensor.verdict == "wrong"} == {"W1"}
    assert [(finding.kind, finding.tensor) for finding in found.findings] == [("unknown", "W1")]


@pytest.mark.parametrize("name", ["z > 0", "z >= 0", "half"])
def test_a_wrong_entry_at_a_kink_is_found_where_it_is_no_slope_at_all(name):
    def change(g):
        g["b1"][1] += 0.5

    found = checked(gradient(SLOPES[name], change))
    assert {tensor.name for tensor in found.tensors if tensor.verdict == "wrong"} == {"b1"}


@pytest.mark.parametrize("name", ["z > 0", "z >= 0", "half"])
def test_a_mistake_elsewhere_is_named_without_blaming_the_kink(name):
    def change(g):
        for value in g.values():
            value *= 5

    found = checked(gradient(SLOPES[name], change))
    assert [finding.kind for finding in found.findings] == ["sum-instead-of-mean"]


def test_a_slope_beyond_both_sides_is_wrong():
    found = checked(gradient(lambda z: np.heaviside(z, 1.7)))
    assert found.verdict == "wrong"


def test_a_dead_unit_is_no_kink():
    params, batch = sample()
    params["b1"][0] = -100

    found = check_network_gradient(
        NETWORK, gradient(above), params, Batch(batch.inputs[:2], batch.labels[:2]), np.random.default_rng(0)
    )
    assert found.ok
    assert found.kinks == ()


def test_the_convention_of_the_package_is_the_first():
    params, batch = sample()
    none = reference_gradient(NETWORK, params, batch, {1: np.full((5, 5), np.nan)})
    assert np.array_equal(none.vector, reference_gradient(NETWORK, params, batch).vector)
    assert CONVENTIONS[0] == 0


def test_more_kinks_than_can_be_listed_are_counted():
    network = Network.mlp(3, 300, 2)
    params = network.init(np.random.default_rng(0))
    batch = Batch(np.zeros((2, 3)), np.array([0, 1]))

    def function(tensors, inputs, labels):
        import backprop

        own = backprop.Parameters.from_mapping(network.layout, tensors, float)
        return backprop.gradient(network, own, inputs, labels).gradient

    found = check_network_gradient(network, function, params, batch, np.random.default_rng(0))
    assert found.ok
    assert len(found.kinks) == 200
    assert any("300 entries" in note for note in found.notes)

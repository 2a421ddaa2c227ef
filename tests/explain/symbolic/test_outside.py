"""Proofs of layers from outside: what is right is proven, what is wrong refuted, what is not understood refused."""

import numpy as np
import pytest
from outside.layers import LEAK, LayerNorm, LeakyReLU, PReLU, Swish, VJPOnly

from backprop.explain.symbolic import SymbolicNetwork, prove_layer, prove_strategy
from backprop.registry import find_strategy


def unproven(layer, n=1, i=2):
    return [str(claim) for claim in prove_layer(layer, n, i) if not claim.holds]


@pytest.mark.parametrize("layer", [LeakyReLU(), Swish(), LayerNorm(2)], ids=repr)
def test_a_right_layer_is_proven(layer):
    assert unproven(layer) == []


def test_a_form_that_a_layer_has_not_is_the_only_one_that_is_not_proven():
    (claim,) = unproven(PReLU(2))
    assert "parameter_factors of a: could not be derived" in claim
    assert "reshape" in claim  # it makes a number for each unit, and a is a single one
    claims = unproven(VJPOnly(2))
    assert len(claims) == 5
    assert all(
        "could not be derived, on symbols the code raises UnsupportedError" in claim for claim in claims
    )


class WrongLeak(LeakyReLU):
    name = "wrong-leak"

    def derivative(self, x, y):
        return np.where(x > 0, 1.0, 2 * LEAK)


def test_a_wrong_slope_in_np_where_is_refuted():
    wrong = unproven(WrongLeak(), i=1)
    assert any("derivative: WRONG" in claim for claim in wrong)


def spelled(**forms):
    """A leaky ReLU of which some forms are written in another way."""
    return type("Spelled", (LeakyReLU,), {"name": "spelled", **forms})()


RIGHT = {
    "x >= 0": lambda self, x, y: np.where(x >= 0, 1.0, LEAK),
    "x < 0": lambda self, x, y: np.where(x < 0, LEAK, 1.0),
    "not": lambda self, x, y: np.where(~(x > 0), LEAK, 1.0),
    "two comparisons": lambda self, x, y: np.where((x > 0) & (y > 0), 1.0, LEAK),
    "a mask": lambda self, x, y: (x > 0) * (1 - LEAK) + LEAK,
    "a mask as numbers": lambda self, x, y: (x > 0).astype(float) * (1 - LEAK) + LEAK,
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_same_slope_is_proven_however_it_is_written(name):
    assert unproven(spelled(derivative=RIGHT[name])) == []


ACTIVATIONS = {
    "elu": (lambda x: np.where(x > 0, x, np.exp(x) - 1), lambda x: np.where(x > 0, 1.0, np.exp(x))),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "relu of clip": (lambda x: np.clip(x, 0, np.maximum(x, 0)), lambda x: np.where(x > 0, 1.0, 0.0)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_other_activations_are_proven_and_half_of_their_slope_is_refuted(name):
    f, slope = ACTIVATIONS[name]
    forward = {"forward": lambda self, params, x, out=None: f(x)}
    assert unproven(spelled(**forward, derivative=lambda self, x, y: slope(x)), i=1) == []
    wrong = unproven(spelled(**forward, derivative=lambda self, x, y: slope(x) / 2), i=1)
    assert any("derivative: WRONG" in claim for claim in wrong)


@pytest.mark.parametrize(("low", "holds"), [(-1, True), (-2, False)])
def test_edges_that_are_not_at_zero_are_proven_or_refuted(low, holds):
    hard = spelled(
        forward=lambda self, params, x, out=None: np.clip(x, -1, 1),
        derivative=lambda self, x, y: np.where((x > low) & (x < 1), 1.0, 0.0),
    )
    claims = unproven(hard, i=1)
    assert (claims == []) == holds
    assert any("derivative: WRONG" in claim for claim in claims) != holds


def masked(self, x, y):
    slope = np.ones_like(x)
    slope[x <= 0] = LEAK
    return slope


NOT_UNDERSTOOD = {
    "a mask as an index": masked,
    "np.select": lambda self, x, y: np.select([x > 0], [1.0], LEAK),
    "truth of numbers": lambda self, x, y: np.where(x, 1.0, LEAK),
    "np.where with a number": lambda self, x, y: np.where(x * (x > 0), 1.0, LEAK),
    "as truth values": lambda self, x, y: np.where((x > 0).astype(bool), 1.0, LEAK),
    "any": lambda self, x, y: np.ones_like(x) if (x > 0).any() else LEAK * np.ones_like(x),
    "floor": lambda self, x, y: np.floor(x),
    "sorted": lambda self, x, y: np.sort(x),
    "an if": lambda self, x, y: np.array([[1.0 if value > 0 else LEAK for value in row] for row in x]),
    "nonzero": lambda self, x, y: np.ones_like(x) * len(np.nonzero(x)[0]),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_refused_in_a_sentence_and_never_wrong(name):
    claims = unproven(spelled(derivative=NOT_UNDERSTOOD[name]))
    assert any("derivative: could not be derived, " in claim for claim in claims), claims
    assert not any("WRONG" in claim for claim in claims)


def test_a_forward_that_is_not_understood_is_one_claim():
    layer = spelled(forward=lambda self, params, x, out=None: np.floor(x))
    (claim,) = unproven(layer)
    assert claim == (
        "spelled, n = 1: forward: could not be derived, np.floor is not among the functions whose formula is known"
    )


@pytest.mark.parametrize("name", ["full-jacobian", "layerwise-vjp", "short-form"])
def test_a_strategy_is_proven_on_a_network_with_a_layer_from_outside(name):
    from backprop import Network
    from backprop.layers import Linear, Softmax
    from backprop.losses import CrossEntropy

    network = Network((Linear(2, 2), LeakyReLU(), Linear(2, 2), Softmax()), CrossEntropy())
    claims = prove_strategy(find_strategy(name), SymbolicNetwork.of(network, 1))
    assert [str(claim) for claim in claims if not claim.holds] == []

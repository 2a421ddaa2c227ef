"""Strategies are proven: their own code, run on symbols, gives what the chain rule gives."""

import functools

import numpy as np
import pytest
import sympy
from over import part
from planted.wrong import ByHand, MissingMean, OneWrongElement, TransposedWeight, WrongOffDiagonal
from tables import STRATEGIES

from backprop import Network
from backprop.explain.symbolic import SymbolicNetwork, prove_strategy
from backprop.explain.symbolic.network import _cancelled
from backprop.layers import ReLU
from backprop.registry import ladder

PROVEN = tuple(ladder())
VARIANTS = ("full-jacobian-naive", "batched-jacobian-einsum", "short-form-dense")
MSE = {"loss": "mean-squared-error"}
CASES = {
    "relu": ((3, 4, 2), 1, {}),
    "two samples": ((2, 2, 2), 2, {}),
    "deep tanh, squares": ((2, 2, 2, 1), 2, {"activation": "tanh", **MSE}),
    "gelu, squares": ((2, 3, 2), 2, {"activation": "gelu", **MSE}),
    "sigmoid": ((2, 2, 2), 1, {"activation": "sigmoid"}),
    "softmax inside": ((2, 2, 2), 1, {"activation": "softmax"}),
    "squares of softmax": ((2, 2), 1, {**MSE, "output": "softmax"}),
}


@functools.cache
def case_of(name):
    sizes, n, options = CASES[name]
    return SymbolicNetwork.of(Network.mlp(*sizes, **options), n)


@pytest.mark.parametrize("name", CASES)
def test_every_factor_of_the_chain_is_proven(name):
    case = case_of(name)
    for sample in range(len(case.batch.inputs)):
        claims = case.prove_factors(sample)
        assert not [str(claim) for claim in claims if not claim.holds]
        assert len(claims) == 1 + len(case.network.layout.names) + len(case.network.layers) - 1


@pytest.mark.parametrize(
    ("name", "strategy"),
    part([(name, strategy) for name in CASES for strategy in PROVEN], 3)
    + part([("sigmoid", strategy) for strategy in VARIANTS], 3),
)
def test_the_strategy_gives_the_gradient_of_the_chain_rule(name, strategy):
    claims = prove_strategy(STRATEGIES[strategy], case_of(name))
    assert not [str(claim) for claim in claims if not claim.holds]
    assert {claim.what for claim in claims} == {
        f"∂L/∂{parameter} of {strategy}" for parameter in case_of(name).gradient
    }


def test_the_gradient_of_the_chain_rule_is_that_of_numbers():
    """The symbols stand for what they say: numbers put in give the gradient of the library."""
    case, rng = case_of("relu"), np.random.default_rng(0)
    network = case.network
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((1, 3)), [0], params.dtype)
    numbers = dict(zip(case.params.vector, params.vector, strict=True))
    for symbols, values in zip(case.values, network.activations(params, batch.inputs), strict=True):
        numbers |= dict(zip(symbols.reshape(-1), values.reshape(-1), strict=True))
    expected = STRATEGIES["short-form"]
    _, gradient = expected.value_and_gradient(expected.prepare(network, 1, params.dtype), params, batch)
    for name, tensor in gradient.items():
        subscripted = name.translate(str.maketrans("12", "₁₂"))
        got = [float(element.subs(numbers)) for element in case.gradient[subscripted].reshape(-1)]
        np.testing.assert_allclose(got, tensor.reshape(-1), atol=1e-14)


@pytest.mark.parametrize(
    ("wrong", "refuted"),
    part(
        [
            (ByHand, set()),
            (MissingMean, {"W₁", "b₁", "W₂", "b₂"}),
            (TransposedWeight, {"W₁", "b₁"}),
            (WrongOffDiagonal, {"W₁", "b₁", "W₂", "b₂"}),
            (OneWrongElement, {"W₂"}),
        ],
        2,
    ),
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_mistake_is_refuted_and_the_parameters_are_named(wrong, refuted):
    case = SymbolicNetwork.of(Network.mlp(2, 2, 2), 2)
    claims = prove_strategy(wrong(), case)
    assert {claim.what for claim in claims if not claim.holds} == {
        f"∂L/∂{name} of {wrong.name}" for name in refuted
    }


def test_a_wrong_layer_is_seen_as_a_wrong_factor(monkeypatch):
    monkeypatch.setattr(ReLU, "derivative", lambda self, x, y: np.ones_like(y))
    claims = SymbolicNetwork.of(Network.mlp(2, 2, 2), 1).prove_factors(0)
    assert [claim.what for claim in claims if not claim.holds] == ["∂a₁/∂z₁, sample 0"]


def test_what_divides_by_a_symbol_is_cancelled_and_the_root_of_a_normalisation_is_left_as_it_is():
    p, z = sympy.symbols("p z", positive=True)
    assert _cancelled((p - p**2) / p) == 1 - p
    normalised = (z**2 + z) / (sympy.sqrt(z**2 + 1) * (z + 1))
    assert _cancelled(normalised) is normalised

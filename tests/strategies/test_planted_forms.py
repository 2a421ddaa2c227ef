"""A mistake in the very form that a strategy is built on must take it far outside its tolerance."""

import numpy as np
import pytest
from tables import STRATEGIES, oracle, relative_error, run

from backprop import Batch, Network
from backprop.layers import EinsumFactor, Linear, ReLU, Softmax, Tanh
from backprop.losses import SoftmaxCrossEntropy

MISTAKES = {
    "jvp without the slope": (Tanh, "jvp", lambda form: lambda self, p, x, y, dx, dp: dx),
    "jvp without what its inputs do": (
        Linear,
        "jvp",
        lambda form: lambda self, p, x, y, dx, dp: form(self, p, x, y, 0 * dx, dp),
    ),
    "slope of the output taken for that of the input": (
        Tanh,
        "derivative",
        lambda form: lambda self, x, y: 1 - np.tanh(y) ** 2,
    ),
    "inputs of the next sample": (
        Linear,
        "parameter_factors",
        lambda form: lambda self, p, x, y: form(self, p, x, y) | {"W": EinsumFactor("ni", np.roll(x, 1, 0))},
    ),
    "softmax without its off-diagonal": (
        Softmax,
        "input_factor",
        lambda form: lambda self, p, x, y: EinsumFactor("no", y * (1 - y)),
    ),
    "loss of the next label": (
        SoftmaxCrossEntropy,
        "sample_values",
        lambda form: lambda self, z, labels: form(self, z, (labels + 1) % z.shape[1]),
    ),
    "absolute value, which forgets the imaginary axis": (
        Tanh,
        "forward",
        lambda form: lambda self, p, x, out=None: form(self, p, x.real + 0j, out=out),
    ),
}

CAUGHT = [
    ("forward-mode", "jvp without the slope"),
    ("forward-mode", "slope of the output taken for that of the input"),
    ("forward-gradient", "jvp without what its inputs do"),
    ("sparse-jacobian", "inputs of the next sample"),
    ("sparse-jacobian", "softmax without its off-diagonal"),
    ("sparse-jacobian", "slope of the output taken for that of the input"),
    ("full-jacobian-naive", "slope of the output taken for that of the input"),
    ("local-finite-differences", "loss of the next label"),
    ("complex-step", "loss of the next label"),
    ("complex-step", "absolute value, which forgets the imaginary axis"),
]


def case():
    network, rng = Network.mlp(5, 5, 5, activation="tanh"), np.random.default_rng(0)
    params = network.init(rng)
    return network, params, Batch(rng.standard_normal((6, 5)), np.array([0, 1, 2, 3, 4, 0]))


@pytest.mark.parametrize(("name", "mistake"), CAUGHT)
def test_a_mistake_in_its_own_form_is_far_outside_the_tolerance(name, mistake, monkeypatch):
    network, params, batch = case()
    expected, strategy = oracle(network, params, batch)[1], STRATEGIES[name]
    tolerance = strategy.accuracy.tolerance(network, params.dtype)
    assert relative_error(run(strategy, network, params, batch).gradient.vector, expected) <= tolerance
    kind, form, wrong = MISTAKES[mistake]
    monkeypatch.setattr(kind, form, wrong(getattr(kind, form)))
    if strategy.accuracy.directions is None:
        assert (
            relative_error(run(strategy, network, params, batch).gradient.vector, expected) > 1000 * tolerance
        )
    else:  # chance hides a mistake from a single estimate: it shows in what it is an estimate of
        plan = strategy.prepare(network, len(batch.inputs), params.dtype)
        many = [run(strategy, network, params, batch, plan).gradient.vector.copy() for _ in range(400)]
        deviation = np.abs(np.mean(many, axis=0) - expected) / (np.std(many, axis=0) / 20)
        assert deviation.max() > 6


def test_relu_chosen_by_the_modulus_is_caught_by_the_complex_step(monkeypatch):
    """|x + ih| is above zero everywhere: the classic mistake of a complex step through max(x, 0)."""
    network, rng = Network.mlp(5, 5, 5), np.random.default_rng(0)
    params = network.init(rng)
    batch = Batch(rng.standard_normal((6, 5)), np.array([0, 1, 2, 3, 4, 0]))
    expected, strategy = oracle(network, params, batch)[1], STRATEGIES["complex-step"]
    tolerance = strategy.accuracy.tolerance(network, params.dtype)
    assert relative_error(run(strategy, network, params, batch).gradient.vector, expected) <= tolerance
    monkeypatch.setattr(ReLU, "forward", lambda self, p, x, out=None: np.where(np.abs(x) > 0, x, 0))
    assert relative_error(run(strategy, network, params, batch).gradient.vector, expected) > 1000 * tolerance

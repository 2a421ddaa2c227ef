"""Finite differences and the complex step are a black box: they may call the loss, and nothing else."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS, STRATEGIES, relative_error, run

from backprop import Network
from backprop.layers import ACTIVATIONS, Linear
from backprop.losses import LOSSES, SoftmaxCrossEntropy
from backprop.strategies.finite_differences import FiniteDifferences

KINDS = {"finite-differences": 2, "finite-differences-forward": 1, "finite-differences-richardson": 4}

FORWARD_ONLY = (
    "forward",
    "value",
    "sample_values",
    "after",
    "initial",
    "output_width",
    "parameter_shapes",
    "label_classes",
    "targets",
)
SIZES = ("_flops", "_bytes")


@pytest.fixture
def black_box(monkeypatch):
    """The network without a derivative: every form of one raises. Returns the list of loss calls."""

    def refuse(*args, **kwargs):
        raise AssertionError("a black box asked for a derivative")

    for scenario in SCENARIOS.values():
        assert scenario.network.short.shapes  # made now: what is made is tried, the derivatives as well
    for kind in {Linear, *ACTIVATIONS.values(), *LOSSES.values(), SoftmaxCrossEntropy}:
        for form in dir(kind):
            public = not form.startswith("_") and callable(getattr(kind, form))
            if (
                public
                and form not in FORWARD_ONLY
                and not form.endswith(SIZES)
                and not isinstance(getattr(kind, form), type)
            ):
                monkeypatch.setattr(kind, form, refuse)
    loss, forward = Network.loss, Network.forward
    for form in ("activations", "forward", "predict"):
        monkeypatch.setattr(Network, form, refuse)
    calls = []

    def counted(self, params, inputs, labels):
        calls.append(len(inputs))
        with monkeypatch.context() as within:
            within.setattr(Network, "forward", forward)
            return loss(self, params, inputs, labels)

    monkeypatch.setattr(Network, "loss", counted)
    return calls


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scenario", ["deep-tanh", "toy-relu", "gelu", "squares-linear", "one-layer"])
@pytest.mark.parametrize("name", KINDS)
def test_it_calls_nothing_but_the_loss_and_that_as_often_as_predicted(black_box, name, scenario, dtype):
    strategy, network = STRATEGIES[name], SCENARIOS[scenario].network
    params, batch = SCENARIOS[scenario].sample(dtype)
    predicted = strategy.cost(network, len(batch.inputs), np.dtype(dtype)).forward_calls
    assert predicted == KINDS[name] * network.parameter_count + 1
    run(strategy, network, params, batch)
    assert black_box == [len(batch.inputs)] * predicted


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "scenario", ["deep-tanh", "toy-relu", "gelu", "sigmoid", "squares-linear", "one-layer"]
)
def test_the_complex_step_calls_nothing_but_the_loss_once_a_parameter(black_box, scenario, dtype):
    strategy, network = STRATEGIES["complex-step"], SCENARIOS[scenario].network
    params, batch = SCENARIOS[scenario].sample(dtype)
    predicted = strategy.cost(network, len(batch.inputs), np.dtype(dtype)).forward_calls
    assert predicted == network.parameter_count
    run(strategy, network, params, batch)
    assert black_box == [len(batch.inputs)] * predicted


def test_local_finite_differences_ask_for_no_derivative_and_call_the_whole_loss_never(black_box):
    scenario = SCENARIOS["deep-tanh"]
    run(STRATEGIES["local-finite-differences"], scenario.network, *scenario.sample("float64"))
    assert black_box == []


@pytest.mark.parametrize(
    "name",
    [
        "layerwise-vjp",
        "short-form",
        "full-jacobian",
        "full-jacobian-naive",
        "batched-jacobian",
        "sparse-jacobian",
        "forward-mode",
        "forward-gradient",
    ],
)
def test_the_black_box_stops_every_other_strategy(black_box, name):
    scenario = SCENARIOS["deep-tanh"]
    with pytest.raises(AssertionError, match="black box"):
        run(STRATEGIES[name], scenario.network, *scenario.sample("float64"))


@pytest.mark.parametrize("name", [*KINDS, "local-finite-differences"])
def test_the_step_grows_with_the_parameter(name):
    """With an absolute step, the quotient for a weight of a million would be lost in its rounding."""
    network = Network.mlp(1, 1, loss="mean-squared-error")
    params = network.init(np.random.default_rng(0), "float32")
    params["W1"][...], params["b1"][...] = 1e6, -1e6
    batch = network.batch(np.ones((1, 1), "float32"), [0], np.dtype("float32"))
    params["b1"][...] = -1.5e6
    _, gradient = run(STRATEGIES[name], network, params, batch)
    exact = 2 * (1e6 - 1.5e6 - 1)
    assert relative_error(gradient.vector, np.array([exact, exact])) < 1e-2


def test_the_kinds_are_strategies_of_their_own():
    kinds = [STRATEGIES[name] for name in KINDS]
    assert len(set(kinds)) == 3
    assert [strategy.kind for strategy in kinds] == ["central", "forward", "richardson"]


def test_richardson_is_exact_for_polynomials_of_degree_four():
    """Central quotients of θ⁴ have an error of 4 θ h², extrapolated ones none but rounding."""

    @dataclass(frozen=True)
    class Fourth:
        def loss(self, params, inputs, labels):
            return params.vector[0] ** 4

    network = Network.mlp(1, 1, loss="mean-squared-error")
    params = network.init(np.random.default_rng(0))
    params.vector[...] = 0.75
    batch = network.batch(np.ones((1, 1)), [0], params.dtype)
    errors = {}
    for kind in ("central", "richardson"):
        strategy = FiniteDifferences(kind=kind, relative_step=2.0**-6)
        plan = replace(strategy.prepare(network, 1, params.dtype), network=Fourth())
        gradient = strategy.value_and_gradient(plan, params, batch).gradient
        errors[kind] = gradient.vector[0] - 4 * 0.75**3
    assert errors["central"] == pytest.approx(4 * 0.75 * 2.0**-12, rel=1e-6)
    assert abs(errors["richardson"]) < 1e-12

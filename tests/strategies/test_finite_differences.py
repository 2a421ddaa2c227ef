"""Finite differences are a black box: they may call the loss, and nothing else."""

import numpy as np
import pytest
from tables import DTYPES, SCENARIOS, STRATEGIES, relative_error, run

from backprop import Network
from backprop.layers import ACTIVATIONS, Linear
from backprop.losses import LOSSES

KINDS = {"finite-differences": 2, "finite-differences-forward": 1}

FORWARD_ONLY = (
    "forward",
    "value",
    "sample_values",
    "fused_value",
    "fused_sample_values",
    "output_width",
    "parameter_shapes",
)
SIZES = ("_flops", "_bytes")


@pytest.fixture
def black_box(monkeypatch):
    """The network without a derivative: every form of one raises. Returns the list of loss calls."""

    def refuse(*args, **kwargs):
        raise AssertionError("a black box asked for a derivative")

    for kind in {Linear, *ACTIVATIONS.values(), *LOSSES.values()}:
        for form in dir(kind):
            public = not form.startswith("_") and callable(getattr(kind, form))
            if (
                public
                and form not in FORWARD_ONLY
                and not form.endswith(SIZES)
                and not isinstance(getattr(kind, form), type)
            ):
                monkeypatch.setattr(kind, form, refuse)
    for form in ("activations", "forward", "predict"):
        monkeypatch.setattr(Network, form, refuse)
    calls, loss = [], Network.loss

    def counted(self, params, inputs, labels):
        calls.append(len(inputs))
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


@pytest.mark.parametrize("name", ["layerwise-vjp", "short-form", "full-jacobian", "batched-jacobian"])
def test_the_black_box_stops_every_other_strategy(black_box, name):
    scenario = SCENARIOS["deep-tanh"]
    with pytest.raises(AssertionError, match="black box"):
        run(STRATEGIES[name], scenario.network, *scenario.sample("float64"))


@pytest.mark.parametrize("name", KINDS)
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


def test_the_two_kinds_are_two_strategies():
    central, forward = (STRATEGIES[name] for name in KINDS)
    assert central != forward
    assert (central.kind, forward.kind) == ("central", "forward")

"""Forward mode carries every basis direction through the network, whatever the layers and the block."""

import numpy as np
import pytest
from over import over
from tables import DTYPES, SCENARIOS, oracle, relative_error, run, truth

from backprop import Batch, Network
from backprop.layers import GELU, Layer, Linear, ReLU, Softmax, Tanh
from backprop.losses import CrossEntropy, MeanSquaredError
from backprop.strategies import forward_mode
from backprop.strategies.forward_mode import ForwardMode

DONE = [
    name
    for name, scenario in SCENARIOS.items()
    if ForwardMode().unsupported(scenario.network, np.dtype("float64")) is None
]


@pytest.mark.parametrize("block_bytes", [1, 500, 1 << 14])
@over(scenario=DONE, dtype=DTYPES)
def test_the_size_of_a_block_changes_nothing(scenario, block_bytes, dtype, monkeypatch):
    network, (params, batch) = SCENARIOS[scenario].network, SCENARIOS[scenario].sample(dtype)
    monkeypatch.setattr(forward_mode, "_BLOCK_BYTES", block_bytes)
    gradient = run(ForwardMode(), network, params, batch).gradient.vector
    error = relative_error(gradient, truth(scenario, dtype)[1])
    assert error <= ForwardMode().accuracy.tolerance(network, np.dtype(dtype))


@pytest.mark.parametrize("loss", [CrossEntropy(), MeanSquaredError()], ids=lambda loss: loss.name)
@pytest.mark.parametrize(
    "layers",
    [
        (ReLU(), Linear(4, 3), Softmax()),
        (Linear(4, 4), Softmax(), Linear(4, 5), Tanh(), GELU(), Linear(5, 3), Softmax()),
        (Linear(4, 3), Linear(3, 5), ReLU(), Softmax(), Tanh(), Linear(5, 3), Softmax()),
    ],
    ids=str,
)
def test_layers_may_follow_in_any_order(layers, loss):
    network, rng = Network(layers, loss), np.random.default_rng(0)
    params = network.init(rng)
    batch = Batch(rng.standard_normal((3, 4)), rng.integers(0, 3, 3))
    _, gradient = run(ForwardMode(), network, params, batch)
    assert relative_error(gradient.vector, oracle(network, params, batch)[1]) < 1e-14


def test_it_never_goes_backwards(monkeypatch):
    """A network whose layers raise where they are asked for a VJP or a Jacobian."""

    def refuse(*args, **kwargs):
        raise AssertionError("forward mode went backwards")

    for kind in (Layer, Linear, Tanh, Softmax):
        for form in ("vjp", "input_jacobian", "parameter_jacobians", "input_factor", "parameter_factors"):
            if form in vars(kind) or kind is not Layer:
                monkeypatch.setattr(kind, form, refuse)
    scenario = SCENARIOS["deep-tanh"]
    params, batch = scenario.sample("float64")
    _, gradient = run(ForwardMode(), scenario.network, params, batch)
    assert relative_error(gradient.vector, oracle(scenario.network, params, batch)[1]) < 1e-14


def test_the_tangents_of_all_p_directions_are_formed(monkeypatch):
    """n·c numbers for each of the 23 parameters reach the loss: no sum is taken before."""
    formed, push = [], forward_mode._push

    def counted(*args):
        formed.append(push(*args))
        return formed[-1]

    monkeypatch.setattr(forward_mode, "_push", counted)
    scenario = SCENARIOS["toy-relu"]
    run(ForwardMode(), scenario.network, *scenario.sample("float64"))
    assert sum(tangent.size for tangent in formed) == 23 * 4 * 2


def test_operations_are_counted_for_every_direction():
    # per sample, a hidden weight: x 1, relu 2, a row of two weights 2, the loss 4; an output one: 1 + 2 + 4
    network = Network.mlp(4, 3, 2)
    cost = ForwardMode().cost(network, 5, np.dtype(float))
    assert cost.flops == network.forward_flops(5) + 5 * (15 * (1 + 2 + 2 + 4) + 8 * (1 + 2 + 4))
    assert cost.forward_calls == 1

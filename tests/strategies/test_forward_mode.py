"""Forward mode carries every basis direction through the network, whatever the layers and the block."""

import numpy as np
from tables import SCENARIOS, oracle, relative_error, run

from backprop import Network
from backprop.layers import Layer, Linear, Softmax, Tanh
from backprop.strategies import forward_mode
from backprop.strategies.forward_mode import ForwardMode


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

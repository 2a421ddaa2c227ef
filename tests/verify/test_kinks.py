"""Parameters whose difference step crosses a kink are found, and hardly any other."""

from __future__ import annotations

import numpy as np
import pytest

import backprop
from backprop.layers import Linear, ReLU, Softmax
from backprop.losses import CrossEntropy
from backprop.notation import read_network
from backprop.verify import kinked_parameters


def crossing_by_trial(network, params, batch, step):
    """The parameters whose step changes the sign of an input of a relu, tried one by one."""
    moved = params.copy()

    def signs():
        values = network.activations(moved, batch.inputs)
        return [y > 0 for layer, y in zip(network.layers, values[1:], strict=True) if isinstance(layer, ReLU)]

    here, crossing = signs(), np.zeros(network.parameter_count, bool)
    for k, value in enumerate(params.vector):
        for sign in (-1, 1):
            moved.vector[k] = value + sign * step * max(1, abs(value))
            crossing[k] |= any(not np.array_equal(a, b) for a, b in zip(here, signs(), strict=True))
        moved.vector[k] = value
    return crossing


@pytest.mark.parametrize("step", [1e-6, 1e-3])
@pytest.mark.parametrize("sizes", [(6, 9, 4), (6, 9, 7, 4), (6, 5, 5, 5, 3)])
def test_every_crossing_is_found_and_what_is_found_is_near_one(sizes, step):
    network = backprop.Network.mlp(*sizes)
    missed = found = near = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        params = network.init(rng)
        batch = network.batch(rng.standard_normal((8, 6)), rng.integers(0, sizes[-1], 8), params.dtype)
        predicted = kinked_parameters(network, params, batch, step)
        missed += np.sum(crossing_by_trial(network, params, batch, step) & ~predicted)
        near += np.sum(predicted & ~crossing_by_trial(network, params, batch, 3 * step))
        found += np.sum(predicted)
    assert missed == 0
    assert near <= 0.1 * found + 1


def test_a_smooth_network_has_no_kinks():
    network = backprop.Network.mlp(4, 3, 2, activation="tanh")
    rng = np.random.default_rng(0)
    batch = network.batch(rng.standard_normal((5, 4)), rng.integers(0, 2, 5), np.dtype(float))
    assert not kinked_parameters(network, network.init(rng), batch, 0.1).any()


def test_the_parameters_of_a_unit_that_stands_on_a_kink_are_named():
    network = backprop.Network.mlp(2, 2, 2)
    params = network.init(np.random.default_rng(0))
    params["W1"][...], params["b1"][...] = [[1.0, 1.0], [1.0, 3.0]], 0.0
    batch = network.batch(np.array([[1.0, -1.0]]), np.array([0]), params.dtype)  # z1 = (0, -2)
    named = {
        network.layout.locate(int(k)) for k in np.flatnonzero(kinked_parameters(network, params, batch, 1e-5))
    }
    assert named == {("W1", (0, 0)), ("W1", (1, 0)), ("b1", (0,))}


def by_trial(seen, params, step):
    """The parameters whose step, up or down, changes what `seen` makes of them."""
    moved = params.copy()
    here, crossing = seen(moved), np.zeros(len(params.vector), bool)
    for k, value in enumerate(params.vector):
        for sign in (-1, 1):
            moved.vector[k] = value + sign * step * max(1, abs(value))
            crossing[k] |= not np.array_equal(here, seen(moved))
        moved.vector[k] = value
    return crossing


def largest_by_trial(network, params, batch, step):
    """The parameters whose step changes which output of the first layer is the largest of its window."""

    def largest(moved):
        z = network.layers[0].forward(network.local(moved)[0], batch.inputs)
        return z.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(len(z), 4, 4).argmax(axis=2)

    return by_trial(largest, params, step)


@pytest.mark.parametrize("before", ["linear", "conv"])
def test_a_parameter_that_makes_another_number_the_largest_of_a_window_is_found(before):
    if before == "linear":  # whose outputs are an image to the pooling
        layers = (Linear(16, 16), read_network("1x4x4 max-pool2")[0], Linear(4, 3), Softmax())
        network = backprop.Network(layers, CrossEntropy())
    else:
        network = backprop.Network.parse("1x4x4 conv3x1,padding=1 max-pool2 3")
    missed = found = near = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        params = network.init(rng)
        batch = network.batch(rng.standard_normal((8, 16)), rng.integers(0, 3, 8), params.dtype)
        predicted = kinked_parameters(network, params, batch, 1e-2)
        found += np.sum(predicted)
        missed += np.sum(largest_by_trial(network, params, batch, 1e-2) & ~predicted)
        near += np.sum(predicted & ~largest_by_trial(network, params, batch, 3e-2))
        assert not any(predicted[-15:])  # those of the last layer come after the pooling
    assert missed == 0 < found
    assert near <= 0.1 * found + 1


def inside_by_trial(network, params, batch, step):
    """The parameters whose step moves another class than the label into the margin of the hinge, or out of it."""

    def inside(moved):
        y = network.forward(moved, batch.inputs)
        return y - y[np.arange(len(y)), batch.labels][:, None] + 1 > 0

    return by_trial(inside, params, step)


@pytest.mark.parametrize("text", ["6 5 tanh 4", "6 5 layer-norm tanh 4"])
def test_a_parameter_that_moves_a_class_over_the_margin_of_the_hinge_is_found(text):
    network = backprop.Network.parse(text, loss="hinge")
    missed = found = near = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        params = network.init(rng)
        batch = network.batch(rng.standard_normal((8, 6)), rng.integers(0, 4, 8), params.dtype)
        predicted = kinked_parameters(network, params, batch, 1e-2)
        found += np.sum(predicted)
        missed += np.sum(inside_by_trial(network, params, batch, 1e-2) & ~predicted)
        near += np.sum(predicted & ~inside_by_trial(network, params, batch, 4e-2))
    assert missed == 0 < found
    assert near <= 0.1 * found + 1


def test_on_the_edge_of_the_hinge_every_parameter_that_moves_it_is_named_and_no_other():
    network = backprop.Network.mlp(2, 3, loss="hinge")
    params = network.init(np.random.default_rng(0))
    params["W1"][...], params["b1"][...] = [[0.0, 1.0, 5.0], [3.0, 3.0, 9.0]], 0.0  # y = (0, 1, 5)
    batch = network.batch(
        np.array([[1.0, 0.0]]), np.array([1]), params.dtype
    )  # y0 - y1 + 1 is 0, y2 - y1 + 1 is 5
    named = {
        network.layout.locate(int(k)) for k in np.flatnonzero(kinked_parameters(network, params, batch, 1e-5))
    }
    assert named == {("W1", (0, 0)), ("W1", (0, 1)), ("b1", (0,)), ("b1", (1,))}

"""A layer or a loss is found by its file, its entry point or its name, and every message says what was expected."""

from pathlib import Path

import numpy as np
import pytest
from outside.layers import LayerNorm, LeakyReLU
from tables import sentence

import backprop
from backprop import Network
from backprop.errors import UnknownNameError
from backprop.finding import LoadError

LAYERS_FILE = Path(__file__).parent / "outside" / "layers.py"

LOSS = """
from backprop.losses import Loss, MeanSquaredError

class Halved(Loss):
    name = "halved"
    temporaries = 2
    whole = MeanSquaredError()

    def sample_values(self, y, labels):
        return self.whole.sample_values(y, labels) / 2

    def gradient(self, y, labels):
        return self.whole.gradient(y, labels) / 2
"""


def assert_trains(network):
    """The short form's gradient is that of a difference quotient."""
    rng = np.random.default_rng(0)
    params = network.init(rng)
    inputs, labels = rng.standard_normal((3, network.inputs)), np.array([0, 1, 1])
    _, gradient = backprop.gradient(network, params, inputs, labels)
    moved, step = params.copy(), 1e-6
    moved.vector[0] += step
    above = network.loss(moved, inputs, labels)
    moved.vector[0] -= 2 * step
    quotient = (above - network.loss(moved, inputs, labels)) / (2 * step)
    assert gradient.vector[0] == pytest.approx(quotient, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", ["LeakyReLU", "LayerNorm"])
def test_a_layer_in_a_file_is_named_where_an_activation_is(name):
    network = Network.parse("4-3-2", activation=f"{LAYERS_FILE}:{name}")
    assert type(network.layers[1]).__name__ == name
    assert_trains(network)


@pytest.mark.parametrize("kind", [LeakyReLU, LayerNorm])
def test_a_layer_of_an_entry_point_is_named_as_it_names_itself(kind, entry_points):
    entry_points("backprop.layers", kind)
    network = Network.mlp(4, 3, 2, activation=kind.name)
    assert isinstance(network.layers[1], kind)
    assert_trains(network)


def test_a_loss_in_a_file_is_named_where_a_loss_is(tmp_path):
    path = tmp_path / "halved.py"
    path.write_text(LOSS, encoding="utf-8")
    assert_trains(Network.mlp(4, 3, 2, loss=f"{path}:Halved"))


@pytest.mark.parametrize(
    ("name", "error", "got"),
    [
        ("nowhere.py:Mine", LoadError, "no file 'nowhere.py'"),
        (f"{LAYERS_FILE}:LeakyRelu", UnknownNameError, "did you mean 'LeakyReLU'"),
        (f"{LAYERS_FILE}:NetworkError", LoadError, "gives NetworkError"),
        (f"{LAYERS_FILE}:_Normalisation", LoadError, "_Normalisation leaves out forward, "),
    ],
)
def test_what_is_no_layer_is_refused_in_a_sentence(name, error, got):
    with pytest.raises(error) as caught:
        Network.mlp(4, 3, 2, activation=name)
    assert got in sentence(caught.value)


def test_an_entry_point_that_gives_no_layer_is_refused(entry_points):
    entry_points("backprop.layers", dict)
    with pytest.raises(LoadError) as caught:
        Network.mlp(4, 3, 2, activation="mine")
    assert "gives dict" in sentence(caught.value)

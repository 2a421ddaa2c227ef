"""A network as a line of text, layer by layer, reads and writes the same layers; anything else is refused."""

from pathlib import Path

import pytest
from outside.layers import LayerNorm
from tables import EXAMPLES, sentence

from backprop import Network, notation
from backprop.errors import BackpropError
from backprop.layers import Linear, ReLU, Softmax, Tanh
from backprop.losses import CrossEntropy, MeanSquaredError

OUTSIDE = Path(__file__).parent / "outside" / "layers.py"


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("784 10", (Linear(784, 10), Softmax())),
        ("1x28x28 120 relu 10", (Linear(784, 120), ReLU(), Linear(120, 10), Softmax())),
        ("  2x3\n4 tanh  2 ", (Linear(6, 4), Tanh(), Linear(4, 2), Softmax())),
        ("5 tanh 3 softmax", (Tanh(), Linear(5, 3), Softmax())),
        (f"5 {OUTSIDE}:Swish 3", None),
    ],
)
def test_a_text_gives_the_shape_of_a_sample_and_then_each_layer(text, layers):
    network = Network.parse(text)
    assert layers is None or network == Network(layers, CrossEntropy())
    assert layers is None or Network.parse(network.text) == network


def test_the_output_that_the_loss_needs_follows_unless_it_is_there():
    assert [layer.name for layer in Network.parse("4 3", loss="binary-cross-entropy").layers] == [
        "linear",
        "sigmoid",
    ]
    assert Network.parse("4 3 softmax").layers == Network.parse("4 3").layers
    assert Network.parse("4 3", loss="mean-squared-error").layers == (Linear(4, 3),)
    assert Network.parse("4 3", loss="mean-squared-error", output="tanh").layers == (Linear(4, 3), Tanh())


def test_a_layer_of_a_width_alone_is_made_for_the_width_before_it():
    network = Network.parse(f"6 4 {OUTSIDE}:LayerNorm 3")
    assert network.layers[1].width == 4
    assert network.widths == ((6, 4), (4, 4), (4, 3), (3, 3))


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_layers_are_written_as_they_are_read(text):
    layers = notation.read_network(text)
    shape = tuple(int(size) for size in text.split()[0].split("x"))
    assert notation.read_network(notation.write_network(shape, layers)) == layers


def test_a_known_network_is_read_and_written_by_its_name(monkeypatch):
    monkeypatch.setitem(notation.NETWORKS, "small", "2x3 4 tanh 4 relu 2")
    network = Network.parse("small")
    assert network.shapes[0] == (6,)
    assert Network.parse("2x3 4 tanh 4 relu 2") == network
    assert (network.sizes, network.text) == ("6-4-4-2", "6-4:tanh-4:relu-2:softmax")
    monkeypatch.setitem(notation.NETWORKS, "normal", f"6 4 {OUTSIDE}:LayerNorm 2")
    normal = Network((Linear(6, 4), LayerNorm(4), Linear(4, 2)), MeanSquaredError())
    assert str(normal) == "6 4 outside-layer-norm 2 mean-squared-error"


@pytest.mark.parametrize("name", notation.NETWORKS)
def test_every_known_network_takes_images_of_digits_and_tells_ten_classes_apart(name):
    network = Network.parse(name)
    assert (network.inputs, network.classes) == (784, 10)
    assert network.text == name
    assert str(network) == f"{name} cross-entropy"


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("784 (", "'784 ('"),
        ("784 10)", "'784 10)'"),
        ("4 relu3 2", "relu got 3"),
        ("4 relu,slope=1 2", "relu got slope"),
        ("4 10,wide 2", "number of its outputs"),
        ("4 linear 2", "number of its outputs"),
        ("4 3x2 2", "number of its outputs"),
        ("4 rel 2", "did you mean 'relu'"),
        ("4 1..2 2", "'1..2'"),
        ("4 relu,, 2", "'relu,,'"),
        ("relu 4", "begins with 'relu'"),
        ("0x4 3", "'0'"),
        ("4 0", "'0'"),
        ("4 99999999999999999999999", "'99999999999999999999999'"),
        ("1x28x28", "'1x28x28'"),
        ("4 tanh", "no linear layer"),
    ],
)
def test_what_is_no_network_is_refused_in_a_sentence(text, got):
    with pytest.raises(BackpropError) as caught:
        Network.parse(text)
    assert got in sentence(caught.value)

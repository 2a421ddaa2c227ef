"""The file of `backprop check --template`: wrong only in what is left out, and right once that is filled in."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import backprop
from outside import layers
from over import over
from tables import EXAMPLES, layer_case, random_input

from backprop import Network, Parameters
from backprop.bench.check.template import template
from backprop.errors import CheckError
from backprop.layers import ACTIVATIONS, Elementwise
from backprop.losses import LOSSES
from backprop.verify import gradient_error, reference_gradient

HIDDEN = [name for name, kind in ACTIVATIONS.items() if issubclass(kind, Elementwise)]
GAP = "np.ones_like(z)"


def gradient_of(network, params, batch, **filled):
    """Loss and gradient of the file for a network, whose activations' derivatives are `filled` in."""
    names = {}
    exec(template(network, "gradient", "backprop check mine.py:gradient"), names)
    names.update(filled)
    return names["gradient"](dict(params), batch.inputs, batch.labels)


def point(network, dtype=np.float64):
    rng = np.random.default_rng(3)
    params = network.init(rng, dtype)
    params.vector[...] += 0.1 * rng.standard_normal(params.vector.shape)
    inputs = rng.standard_normal((6, network.inputs)).astype(dtype)
    return params, network.batch(inputs, rng.integers(0, network.classes, 6), params.dtype)


def error_of(network, params, batch, got):
    gradient = Parameters.from_mapping(network.layout, got, params.dtype)
    return gradient_error(gradient, reference_gradient(network, params, batch)).relative


def test_of_one_output_the_label_is_the_target():
    network = Network.mlp(5, 1, loss="binary-cross-entropy")
    params, batch = point(network)
    batch = network.batch(batch.inputs, np.array([0, 1, 1, 0, 1, 0]), params.dtype)
    _, right = gradient_of(network, params, batch)
    assert error_of(network, params, batch, right) < 1e-14


@pytest.mark.parametrize("activation", HIDDEN)
@over(loss=LOSSES, sizes=((5, 3), (5, 4, 3), (5, 4, 6, 3)))
def test_only_the_derivative_of_the_activation_is_missing(sizes, activation, loss):
    network = Network.mlp(*sizes, activation=activation, loss=loss)
    params, batch = point(network)
    layer = ACTIVATIONS[activation]()

    def derivative(z):
        return layer.derivative(z, layer.forward({}, z))

    value, right = gradient_of(
        network, params, batch, **{f"{activation.replace('-', '_')}_derivative": derivative}
    )
    assert value == pytest.approx(float(network.loss(params, batch.inputs, batch.labels)))
    assert error_of(network, params, batch, right) < 1e-14
    if len(sizes) > 2:
        _, wrong = gradient_of(network, params, batch)
        assert error_of(network, params, batch, wrong) > 1e-3


def test_the_dtype_of_the_parameters_is_kept():
    network = Network.mlp(5, 4, 3)
    params, batch = point(network, np.float32)
    _, got = gradient_of(network, params, batch)
    assert {tensor.dtype.name for tensor in got.values()} == {"float32"}


def test_the_check_finds_what_is_left_out_and_is_content_once_it_is_filled_in(here, tmp_path):
    network = ["--network", "49-16-10", "--activation", "tanh", "--batch", "8"]
    done = backprop("check", "--template", "mine.py", *network, cwd=tmp_path)
    command = "backprop check mine.py:gradient --network 49-16-10 --activation tanh --batch 8"
    assert (done.code, done.out) == (0, f"mine.py\nCheck it: {command}\n")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    assert command in text
    assert text.count("TODO: ") == 1
    found = backprop(*command.split()[1:], "--json", cwd=tmp_path)
    assert found.code == 1
    assert {one["kind"] for one in json.loads(found.out)["findings"]} == {"activation-derivative-missing"}
    (tmp_path / "mine.py").write_text(text.replace(GAP, "1 - np.tanh(z) ** 2"), encoding="utf-8")
    assert backprop(*command.split()[1:], cwd=tmp_path).code == 0


def test_a_network_without_an_activation_is_right_as_it_is(here, tmp_path):
    assert backprop("check", "mine.py:slope", "--template", "--network", "16-3", cwd=tmp_path).code == 0
    assert "TODO" not in (tmp_path / "mine.py").read_text(encoding="utf-8")
    assert backprop("check", "mine.py:slope", "--network", "16-3", cwd=tmp_path).code == 0


def test_the_file_is_printed_where_no_name_is_given(tmp_path):
    done = backprop("check", "--template", cwd=tmp_path)
    assert done.code == 0
    assert done.out == template(Network.mlp(784, 512, 10), "gradient", "backprop check mine.py:gradient")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_replaced_unasked(tmp_path):
    (tmp_path / "mine.py").write_text("mine", encoding="utf-8")
    assert "is there" in backprop("check", "--template", "mine.py", cwd=tmp_path).error_sentence
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == "mine"
    assert backprop("check", "--template", "mine.py", "--fresh", cwd=tmp_path).code == 0


def test_a_network_of_which_no_file_can_be_written_is_refused(tmp_path):
    own = f"{Path(layers.__file__)}:LeakyReLU"
    with pytest.raises(CheckError, match="states no NumPy code"):
        template(Network.mlp(4, 3, 2, activation=own), "gradient", "")
    done = backprop("check", "--template", "mine.py", "--activation", "dropout", cwd=tmp_path)
    assert "The layer dropout states no NumPy code" in done.error_sentence
    done = backprop("check", "--template", "mine.py:a b", cwd=tmp_path)
    assert "The function is 'a b'" in done.error_sentence
    assert list(tmp_path.iterdir()) == []


# Other layers

CODED = {text: layer for text, layer in EXAMPLES.items() if layer.code is not None}


def test_every_layer_of_a_shape_states_code_but_one_that_draws_or_holds_others():
    assert {layer.name for text, layer in EXAMPLES.items() if text not in CODED} == {"residual"}


@pytest.mark.parametrize("text", CODED)
def test_the_code_of_a_layer_gives_its_outputs(text):
    case = layer_case(text, random_input(3, 0, "float64"))
    lines = "".join(f"    {line}\n" for line in case.layer.code.splitlines())
    names = {"np": np}
    exec(f"def layer({', '.join(['x', *case.params])}):\n{lines}", names)
    np.testing.assert_allclose(names["layer"](case.x, *case.params.values()), case.y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("text", "functions"),
    {
        "1x4x4 conv2x2 tanh pool2 mean-pool1 3": ["conv1", "max_pool1", "mean_pool1"],
        "3x2 layer-norm attention lstm2,sequence 2": ["layer_norm1", "attention2", "lstm3"],
        "4 2 layer-norm batch-norm 2": ["layer_norm2", "batch_norm3"],
        "3 embedding4x2 softmax softmax 2": ["embedding1", "softmax1", "softmax1b"],
    }.items(),
)
def test_the_backward_pass_of_a_layer_is_left_to_the_reader(text, functions):
    network = Network.parse(text)
    params, batch = point(network)
    inputs = network.layers[0].fitting(batch.inputs)
    batch = network.batch(inputs, batch.labels, params.dtype)
    layers_with_one = [
        layer for layer in network.short.layers if layer.name.replace("-", "_") in "".join(functions)
    ]
    filled = {"tanh_derivative": lambda z: 1 - np.tanh(z) ** 2}
    for name, layer in zip(functions, layers_with_one, strict=True):

        def backward(dy, x, *own, layer=layer):
            params = dict(zip(layer.parameter_shapes(), own, strict=True))
            dx, found = layer.vjp(params, x, layer.forward(params, x), dy)
            gradients = (dx, *(found[name] for name in params))
            return gradients if own else dx

        filled[f"{name}_backward"] = backward
    _, right = gradient_of(network, params, batch, **filled)
    assert error_of(network, params, batch, right) < 1e-13
    _, left = gradient_of(network, params, batch)
    assert error_of(network, params, batch, left) > 0.01

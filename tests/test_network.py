"""The network: what it is built from, what it says about itself, and what it refuses."""

import itertools

import numpy as np
import pytest
from over import over
from tables import DTYPES, SCENARIOS, freeze, oracle, sentence

from backprop import Network, Parameters
from backprop.errors import (
    DtypeError,
    LabelError,
    NetworkError,
    NonFiniteError,
    OptionError,
    ShapeError,
    UnknownNameError,
)
from backprop.layers import ACTIVATIONS, Linear, ReLU, Softmax, Tanh
from backprop.losses import LOSSES, CrossEntropy, MeanSquaredError
from backprop.notation import read_network

TOY = Network.mlp(4, 3, 2)
F64 = np.dtype("float64")

every_dtype = over(dtype=DTYPES)
every_scenario = over(scenario=SCENARIOS.values())


# What it is built from


@pytest.mark.parametrize("sizes", [(4, 2), (4, 3, 2), (5, 4, 3, 2), (2,) * 12, (1, 1)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_of_any_depth_is_linear_layers_with_activations_between(sizes, activation):
    network = Network.mlp(*sizes, activation=activation)
    depth = len(sizes) - 1
    expected = ["linear", activation] * (depth - 1) + ["linear", "softmax"]
    assert [layer.name for layer in network.layers] == expected
    linear = [layer for layer in network.layers if isinstance(layer, Linear)]
    assert [(layer.inputs, layer.outputs) for layer in linear] == list(itertools.pairwise(sizes))
    assert (network.inputs, network.classes) == (sizes[0], sizes[-1])
    assert network.parameter_count == sum(i * o + o for i, o in itertools.pairwise(sizes))
    assert network.layout.names == tuple(f"{name}{k + 1}" for k in range(depth) for name in "Wb")
    assert network.sizes == "-".join(map(str, sizes))


@pytest.mark.parametrize(
    ("options", "last", "fused"),
    [
        ({}, "softmax", True),
        ({"loss": "mean-squared-error"}, "linear", False),
        ({"loss": "mean-squared-error", "output": "linear"}, "linear", False),
        ({"loss": "mean-squared-error", "output": "softmax"}, "softmax", False),
        ({"loss": "mean-squared-error", "output": "sigmoid"}, "sigmoid", False),
        ({"loss": "cross-entropy", "output": "softmax"}, "softmax", True),
    ],
    ids=str,
)
def test_the_output_layer_follows_from_the_loss_unless_it_is_named(options, last, fused):
    network = Network.mlp(4, 3, 2, **options)
    assert network.layers[-1].name == last
    assert (network.short is not network) is fused


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (Network.mlp(784, 512, 10), "784-512-10 relu cross-entropy"),
        (Network.mlp(5, 4, 3, 2, activation="tanh"), "5-4-3-2 tanh cross-entropy"),
        (Network.mlp(4, 2), "4-2 cross-entropy"),
        (Network.mlp(4, 3, 2, loss="mean-squared-error"), "4-3-2 relu mean-squared-error"),
        (
            Network.mlp(4, 3, 2, loss="mean-squared-error", output="softmax"),
            "4-3-2 relu softmax mean-squared-error",
        ),
        (
            Network((Linear(3, 3), Tanh(), Linear(3, 3), ReLU(), Linear(3, 2), Softmax()), CrossEntropy()),
            "3-3-3-2 tanh relu cross-entropy",
        ),
    ],
    ids=str,
)
def test_a_network_describes_itself(network, text):
    assert str(network) == text


@pytest.mark.parametrize("text", ["4-2", "784-512-10", "5-4-3-2"])
@pytest.mark.parametrize("options", [{}, {"activation": "gelu", "loss": "mean-squared-error"}], ids=str)
def test_parsing_is_the_opposite_of_sizes(text, options):
    network = Network.parse(text, **options)
    assert network.sizes == text
    assert network == Network.mlp(*map(int, text.split("-")), **options)


def test_sizes_may_be_numpy_integers():
    assert Network.mlp(np.int64(4), np.uint8(3), 2) == TOY


def test_networks_of_equal_layers_are_equal_and_can_be_keys():
    assert Network.mlp(4, 3, 2) == TOY
    assert {Network.mlp(4, 3, 2): 1}[TOY] == 1
    assert Network.mlp(4, 3, 2, activation="tanh") != TOY


def test_an_activation_may_come_before_the_first_linear_layer():
    network = Network((Tanh(), Linear(3, 2)), MeanSquaredError())
    assert network.inputs == 3
    assert network.layout.names == ("W1", "b1")
    assert network.forward(network.init(np.random.default_rng(0)), np.ones((5, 3))).shape == (5, 2)


# Parameters


def test_all_parameters_are_one_contiguous_vector_with_a_view_each():
    params = TOY.init(np.random.default_rng(0))
    assert params.vector.shape == (4 * 3 + 3 + 3 * 2 + 2,)
    assert params.vector.flags.c_contiguous
    assert list(params) == ["W1", "b1", "W2", "b2"]
    assert [params[name].shape for name in params] == [(4, 3), (3,), (3, 2), (2,)]
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in params.values()]), params.vector)
    for name in params:
        assert np.shares_memory(params[name], params.vector)
    params["b2"][...] = 7
    assert params.vector[-2:].tolist() == [7, 7]
    params.vector[0] = -3
    assert params["W1"][0, 0] == -3


def test_the_same_generator_gives_the_same_numbers_in_both_dtypes_up_to_rounding():
    wide = TOY.init(np.random.default_rng(5), np.float64)
    narrow = TOY.init(np.random.default_rng(5), np.float32)
    assert (wide.dtype, narrow.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(wide.vector.astype(np.float32), narrow.vector)


@every_dtype
def test_initial_parameters_follow_from_the_generator_alone(dtype):
    first, again = (TOY.init(np.random.default_rng(5), dtype).vector for _ in range(2))
    other = TOY.init(np.random.default_rng(6), dtype).vector
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_initial_weights_have_the_variance_of_he_and_biases_are_zero():
    params = Network.mlp(400, 300, 10).init(np.random.default_rng(0))
    assert np.var(params["W1"]) == pytest.approx(2 / 400, rel=0.02)
    assert np.var(params["W2"]) == pytest.approx(2 / 300, rel=0.06)
    assert not params["b1"].any()
    assert not params["b2"].any()


# Forward and loss


@every_scenario
@every_dtype
def test_the_loss_matches_autograd_and_keeps_the_dtype(scenario, dtype):
    network, (params, batch) = scenario.network, scenario.sample(dtype)
    loss = network.loss(params, *batch)
    assert loss.dtype == dtype
    expected, _ = oracle(network, params, batch)
    assert abs(loss - expected) <= 16 * np.finfo(dtype).eps * max(1, expected)


@every_scenario
@every_dtype
def test_activations_end_with_the_forward_pass(scenario, dtype):
    network, (params, batch) = scenario.network, scenario.sample(dtype)
    values = network.activations(params, batch.inputs)
    assert values[0] is batch.inputs
    assert [value.shape[1] for value in values[1:]] == [o for _, o in network.widths]
    assert {value.dtype for value in values} == {np.dtype(dtype)}
    outputs = network.forward(params, batch.inputs)
    np.testing.assert_array_equal(values[-1], outputs)
    is_binary = network.label_classes > network.classes
    classes = outputs[:, 0] > 0.5 if is_binary else outputs.argmax(axis=1)
    np.testing.assert_array_equal(network.predict(params, batch.inputs), classes)
    expected = network.loss_function.value(outputs, batch.labels)
    assert abs(network.loss(params, *batch) - expected) <= 16 * np.finfo(dtype).eps * max(1, expected)


@every_dtype
def test_the_loss_is_finite_and_exact_for_logits_of_ten_thousand(dtype):
    network = Network.mlp(2, 2)
    params = Parameters.from_mapping(network.layout, {"W1": [[1e4, 0], [0, 1e4]], "b1": [0, 0]}, dtype)
    inputs = np.array([[1, -1], [1, -1]], dtype)
    assert network.loss(params, inputs, np.array([0, 1])) == 1e4


def test_operations_of_the_forward_pass_are_those_counted_by_hand():
    # 4 to 3: 2·5·4·3 + 5·3, relu 5·3, 3 to 2: 2·5·3·2 + 5·2, softmax 14·5·2
    assert TOY.forward_flops(5) == 135 + 15 + 70 + 140


# What it refuses


NOT_SIZES = [
    (),
    (4,),
    (4, 0),
    (0, 4),
    (4, -3, 2),
    (4, True),
    (4, 3.0, 2),
    (4, "3", 2),
    (4, None),
    ((4, 3, 2),),
    (4, float("nan")),
]


@pytest.mark.parametrize("sizes", NOT_SIZES, ids=str)
def test_sizes_that_make_no_network_are_refused(sizes):
    with pytest.raises(NetworkError) as caught:
        Network.mlp(*sizes)
    bad = [size for size in sizes if isinstance(size, bool) or not isinstance(size, int) or size < 1]
    got = repr(bad[0]) if bad and len(sizes) > 1 else "one size" if sizes else "no sizes"
    assert got in sentence(caught.value)


@pytest.mark.parametrize(
    "text", ["", "784", "784x10", "784-", "-3-2", "4--2", "4-0-2", "4-3.5-2", "a-b", "4,3,2", 5, None]
)
def test_a_text_that_is_no_network_is_refused(text):
    with pytest.raises(NetworkError) as caught:
        Network.parse(text)
    sentence(caught.value)


def test_a_text_may_name_an_activation_for_each_layer_and_the_output():
    own = Network.parse(
        "784-64:tanh-32:leaky-relu-16-10:sigmoid", activation="gelu", loss="half-squared-error"
    )
    names = [layer.name for layer in own.layers if layer.name != "linear"]
    assert names == ["tanh", "leaky-relu", "gelu", "sigmoid"]
    assert own.all_sizes == (784, 64, 32, 16, 10)
    assert Network.parse(own.text, loss="half-squared-error") == own


def test_a_sequence_names_an_activation_for_each_hidden_layer():
    assert Network.mlp(5, 4, 3, 2, activation=("tanh", "relu")) == Network.parse("5-4:tanh-3:relu-2")
    with pytest.raises(NetworkError) as caught:
        Network.mlp(5, 4, 3, 2, activation=["tanh"])
    assert "1 activations; expected one for each of its 2 hidden layers" in sentence(caught.value)


@pytest.mark.parametrize("text", ["784:relu-10", "784-64:-10", "784-64:tanh-"])
def test_a_name_in_the_wrong_place_of_a_text_is_refused(text):
    with pytest.raises((NetworkError, UnknownNameError)) as caught:
        Network.parse(text)
    sentence(caught.value)


def test_an_output_that_is_named_twice_is_refused():
    with pytest.raises(NetworkError) as caught:
        Network.parse("4-3-2:tanh", loss="hinge", output="sigmoid")
    assert "expected one name for the output" in sentence(caught.value)


def test_none_is_no_activation_after_the_last_layer():
    assert Network.mlp(4, 3, 2, loss="hinge", output="none") == Network.mlp(4, 3, 2, loss="hinge")


def test_a_network_without_biases_has_weights_alone():
    network = Network.mlp(4, 3, 2, bias=False)
    assert [name for name, _ in network.layout.shapes] == ["W1", "W2"]
    assert str(network) == "4-3-2 relu cross-entropy without biases"
    with_bias = Network.mlp(4, 3, 2)
    assert (
        network.init(np.random.default_rng(0))["W2"].tolist()
        == with_bias.init(np.random.default_rng(0))["W2"].tolist()
    )


def test_the_binary_cross_entropy_needs_a_sigmoid_and_has_one_by_default():
    assert Network.mlp(4, 2, loss="binary-cross-entropy").layers[-1].name == "sigmoid"
    with pytest.raises(NetworkError) as caught:
        Network.mlp(4, 2, loss="binary-cross-entropy", output="none")
    assert "expected sigmoid" in sentence(caught.value)


def test_one_output_of_a_binary_loss_tells_two_classes_apart():
    network = Network.mlp(4, 3, 1, loss="binary-cross-entropy")
    assert (network.classes, network.label_classes) == (1, 2)
    network.batch(np.zeros((2, 4)), np.array([0, 1]), np.dtype(float))
    with pytest.raises(LabelError):
        network.batch(np.zeros((2, 4)), np.array([0, 2]), np.dtype(float))


@pytest.mark.parametrize(
    ("options", "kind", "near"),
    [
        ({"activation": "rellu"}, "activation", "relu"),
        ({"activation": "Tanh"}, "activation", "tanh"),
        ({"activation": "softpls"}, "activation", "softplus"),
        ({"loss": "cross-entrpy"}, "loss", "cross-entropy"),
        ({"loss": "mean_squared_error"}, "loss", "mean-squared-error"),
        ({"output": "softmx", "loss": "mean-squared-error"}, "output", "softmax"),
        ({"output": "liner", "loss": "mean-squared-error"}, "output", "linear"),
    ],
    ids=str,
)
def test_an_unknown_name_is_refused_with_the_nearest_one(options, kind, near):
    with pytest.raises(UnknownNameError) as caught:
        Network.mlp(4, 3, 2, **options)
    message = sentence(caught.value)
    assert message.startswith(f"Unknown {kind} {options[kind]!r}; did you mean {near!r}?")


@pytest.mark.parametrize("name", ["xyzzy", "", None, 3, [["relu"]]], ids=str)
def test_a_name_like_no_other_is_refused_with_all_that_are_known(name):
    with pytest.raises(UnknownNameError) as caught:
        Network.mlp(4, 3, 2, activation=name)
    message = sentence(caught.value)
    assert all(known in message for known in ACTIVATIONS)


@pytest.mark.parametrize(
    ("layers", "loss", "got"),
    [
        ((), MeanSquaredError, "no linear layer"),
        ((ReLU(), Softmax()), CrossEntropy, "no linear layer"),
        ((Linear(4, 3), Linear(2, 1)), MeanSquaredError, "3 inputs; expected 2"),
        ((Linear(4, 3), ReLU(), Linear(4, 2), Softmax()), CrossEntropy, "3 inputs; expected 4"),
        *[
            ((Linear(4, 5), read_network(text)[-1]), MeanSquaredError, f"5 inputs; expected {shape}")
            for text, shape in {
                "1x4x4 conv3x2": "1 x 4 x 4",
                "2x4x4 max-pool2": "2 x 4 x 4",
                "3x2 lstm2": "3 x 2",
                "2x2x2 batch-norm": "2 x 2 x 2",
                "2x3 residual(rms-norm)": "2 x 3",
            }.items()
        ],
        ((Linear(4, 3),), CrossEntropy, "linear"),
        ((Linear(4, 3), ReLU()), CrossEntropy, "relu"),
    ],
    ids=str,
)
def test_layers_that_do_not_fit_together_are_refused(layers, loss, got):
    with pytest.raises(NetworkError) as caught:
        Network(layers, loss())
    assert got in sentence(caught.value)


@pytest.mark.parametrize("output", [name for name in ACTIVATIONS if name != "softmax"] + ["linear"])
def test_the_cross_entropy_needs_a_softmax(output):
    with pytest.raises(NetworkError) as caught:
        Network.mlp(4, 3, 2, output=output)
    assert output in sentence(caught.value)


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.needs_output is None])
def test_every_loss_goes_with_a_softmax_but_those_of_another_output(loss):
    assert Network.mlp(4, 3, 2, loss=loss, output="softmax").layers[-1].name == "softmax"


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "int32", "complex128", ">f8", "nonsense", "U3"])
def test_a_dtype_that_is_not_supported_is_refused(dtype):
    with pytest.raises(DtypeError) as caught:
        TOY.init(np.random.default_rng(0), dtype)
    assert dtype in sentence(caught.value)


def test_a_seed_in_place_of_a_generator_is_refused():
    with pytest.raises(OptionError) as caught:
        TOY.init(0)
    assert "rng is 0; expected a generator" in sentence(caught.value)


GOOD_X, GOOD_Y = freeze(np.zeros((3, 4))), freeze(np.array([0, 1, 1]))


def with_entry(array, index, value):
    """A copy with one element replaced."""
    changed = array.copy()
    changed[index] = value
    return changed


BAD_BATCHES = {
    "a-vector": (np.zeros(4), GOOD_Y, ShapeError, "(4,)"),
    "a-number": (3.0, GOOD_Y, ShapeError, "()"),
    "another-width": (np.zeros((3, 5)), GOOD_Y, ShapeError, "(3, 5)"),
    "three-axes": (np.zeros((3, 2, 2)), GOOD_Y, ShapeError, "(3, 2, 2)"),
    "unequal-rows": ([[1.0, 2.0, 3.0, 4.0], [1.0]], GOOD_Y, ShapeError, "list"),
    "empty": (np.zeros((0, 4)), np.zeros(0, int), ShapeError, "empty"),
    "nothing": ([], [], ShapeError, "(0,)"),
    "too-few-labels": (GOOD_X, GOOD_Y[:2], ShapeError, "(2,)"),
    "one-hot-labels": (GOOD_X, np.eye(2, dtype=int)[GOOD_Y], ShapeError, "(3, 2)"),
    "narrower-inputs": (GOOD_X.astype("float32"), GOOD_Y, DtypeError, "float32"),
    "whole-inputs": (np.zeros((3, 4), int), GOOD_Y, DtypeError, "int64"),
    "swapped-inputs": (GOOD_X.astype(">f8"), GOOD_Y, DtypeError, ">f8"),
    "complex-inputs": (GOOD_X.astype(complex), GOOD_Y, DtypeError, "complex128"),
    "text-inputs": (np.full((3, 4), "1"), GOOD_Y, DtypeError, "<U1"),
    "object-inputs": (np.full((3, 4), None), GOOD_Y, DtypeError, "object"),
    "float-labels": (GOOD_X, GOOD_Y.astype(float), DtypeError, "float64"),
    "bool-labels": (GOOD_X, GOOD_Y.astype(bool), DtypeError, "bool"),
    "text-labels": (GOOD_X, np.array(["0", "1", "1"]), DtypeError, "str"),
    "label-too-large": (GOOD_X, np.array([0, 1, 2]), LabelError, "Label 2 of sample 2"),
    "label-negative": (GOOD_X, np.array([0, -1, 1]), LabelError, "Label -1 of sample 1"),
    "label-too-large-unsigned": (GOOD_X, np.array([255, 1, 1], "uint8"), LabelError, "Label 255 of sample 0"),
    "nan": (with_entry(GOOD_X, (1, 2), np.nan), GOOD_Y, NonFiniteError, "Input 2 of sample 1 is nan"),
    "inf": (with_entry(GOOD_X, (2, 0), np.inf), GOOD_Y, NonFiniteError, "Input 0 of sample 2 is inf"),
    "minus-inf": (with_entry(GOOD_X, (0, 0), -np.inf), GOOD_Y, NonFiniteError, "is -inf"),
}


@pytest.mark.parametrize(("inputs", "labels", "error", "got"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_samples_that_do_not_fit_are_refused(inputs, labels, error, got):
    with pytest.raises(error) as caught:
        TOY.batch(inputs, labels, F64)
    assert type(caught.value) is error
    assert got in sentence(caught.value)


@pytest.mark.parametrize("label_dtype", ["uint8", "uint64", "int8", "int64", ">i4"])
def test_labels_of_any_integer_dtype_are_taken(label_dtype):
    batch = TOY.batch(GOOD_X, GOOD_Y.astype(label_dtype), F64)
    np.testing.assert_array_equal(batch.labels, GOOD_Y)


def test_samples_that_fit_are_not_copied():
    batch = TOY.batch(GOOD_X, GOOD_Y, F64)
    assert batch.inputs is GOOD_X
    assert batch.labels is GOOD_Y


def test_lists_are_taken_for_arrays():
    batch = TOY.batch(GOOD_X.tolist(), GOOD_Y.tolist(), F64)
    np.testing.assert_array_equal(batch.inputs, GOOD_X)


def bad_parameters():
    """Parameters that the network 4-3-2 cannot use, each with the error and what the message names."""
    good = TOY.init(np.random.default_rng(0))
    nan, inf = good.copy(), good.copy()
    nan["W1"][0, 1] = np.nan
    inf["b2"][1] = -np.inf
    return {
        "a-dict": (dict(good), DtypeError, "dict"),
        "a-vector": (good.vector, DtypeError, "ndarray"),
        "another-network": (Network.mlp(4, 2).init(np.random.default_rng(0)), ShapeError, "W1 (4, 2)"),
        "half": (good.astype("float16"), DtypeError, "float16"),
        "whole": (good.astype("int64"), DtypeError, "int64"),
        "nan": (nan, NonFiniteError, "W1[0, 1] is nan"),
        "inf": (inf, NonFiniteError, "b2[1] is -inf"),
    }


@pytest.mark.parametrize(("params", "error", "got"), bad_parameters().values(), ids=list(bad_parameters()))
def test_parameters_that_do_not_fit_are_refused(params, error, got):
    with pytest.raises(error) as caught:
        TOY.check_parameters(params)
    assert type(caught.value) is error
    assert got in sentence(caught.value)


@every_dtype
def test_parameters_that_fit_are_taken(dtype):
    TOY.check_parameters(TOY.init(np.random.default_rng(0), dtype))

"""`backprop.gradient`, the one door that most users need."""

import warnings

import numpy as np
import pytest
from over import over
from tables import DTYPES, SCENARIOS, STRATEGIES, oracle, relative_error, sentence

import backprop
from backprop.errors import (
    DtypeError,
    LabelError,
    NonFiniteError,
    OverflowedError,
    ShapeError,
    UnknownNameError,
    UnsupportedError,
)
from backprop.strategies.short_form import ShortForm

NETWORK = backprop.Network.mlp(4, 3, 2)


class Unable(backprop.Strategy):
    """A strategy that can do nothing."""

    name = "unable"
    accuracy = STRATEGIES["short-form"].accuracy
    summary = "nothing"

    def unsupported(self, network, dtype):
        return "it is made for a test"

    def cost(self, network, batch_size, dtype):
        raise NotImplementedError

    def prepare(self, network, batch_size, dtype):
        raise AssertionError("it was asked although it cannot")

    def value_and_gradient(self, plan, params, batch):
        raise NotImplementedError


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_readme_example_gives_loss_and_named_gradient(dtype):
    network = backprop.Network.mlp(4, 3, 2, activation="relu", loss="cross-entropy")
    params = network.init(np.random.default_rng(0), dtype=dtype)
    inputs = np.random.default_rng(1).standard_normal((5, 4)).astype(dtype)
    labels = np.array([0, 1, 1, 0, 1])
    loss, gradient = backprop.gradient(network, params, inputs, labels, strategy="short-form")
    assert isinstance(loss, float)
    assert gradient["W1"].shape == (4, 3)
    assert gradient["b2"].shape == (2,)
    assert gradient.vector.shape == params.vector.shape
    assert gradient.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_may_be_arrays_by_name_as_a_checked_function_gets_them(dtype):
    params, batch = SCENARIOS["toy-relu"].sample(dtype)
    by_name = {name: tensor.tolist() if dtype == "float64" else tensor for name, tensor in params.items()}
    loss, gradient = backprop.gradient(NETWORK, by_name, *batch)
    assert loss == backprop.gradient(NETWORK, params, *batch).loss
    assert gradient.dtype == dtype
    check = backprop.check_network(lambda *given: backprop.gradient(NETWORK, *given), NETWORK)
    assert check.ok


def test_arrays_by_name_of_two_dtypes_are_refused():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    mixed = {**params, "b1": params["b1"].astype(np.float32)}
    with pytest.raises(DtypeError, match="are of float64 and float32; expected one dtype") as caught:
        backprop.gradient(NETWORK, mixed, *batch)
    sentence(caught.value)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_behind_the_door_by_name_and_by_itself(name):
    scenario = SCENARIOS["deep-tanh"]
    network, (params, batch) = scenario.network, scenario.sample("float64")
    _, expected = oracle(network, params, batch)
    tolerance = STRATEGIES[name].accuracy.tolerance(network, np.dtype("float64"))
    for strategy in (name, STRATEGIES[name]):
        result = backprop.gradient(network, params, *batch, strategy=strategy)
        assert relative_error(result.gradient.vector, expected) <= tolerance


def test_the_short_form_is_taken_where_nothing_is_said(monkeypatch):
    asked, prepare = [], ShortForm.prepare
    monkeypatch.setattr(ShortForm, "prepare", lambda *args: asked.append(args) or prepare(*args))
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    backprop.gradient(NETWORK, params, *batch)
    assert len(asked) == 1


def test_a_gradient_has_memory_of_its_own():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    first = backprop.gradient(NETWORK, params, *batch).gradient
    before = first.vector.copy()
    second = backprop.gradient(NETWORK, *[params], batch.inputs * 2, batch.labels).gradient
    assert not np.shares_memory(first.vector, second.vector)
    assert not np.shares_memory(first.vector, params.vector)
    np.testing.assert_array_equal(first.vector, before)


def test_lists_and_small_labels_are_taken():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    expected = backprop.gradient(NETWORK, params, *batch)
    for inputs, labels in (
        (batch.inputs.tolist(), batch.labels.tolist()),
        (batch.inputs, batch.labels.astype("uint8")),
    ):
        loss, gradient = backprop.gradient(NETWORK, params, inputs, labels)
        assert loss == pytest.approx(expected.loss, rel=1e-15)
        np.testing.assert_allclose(gradient.vector, expected.gradient.vector, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_short_form_is_finite_and_right_for_logits_of_ten_thousand(dtype):
    network = backprop.Network.mlp(2, 2)
    params = backprop.Parameters.from_mapping(
        network.layout, {"W1": [[1e4, 0], [0, 1e4]], "b1": [0, 0]}, dtype
    )
    inputs = np.array([[1, -1], [1, -1]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradient = backprop.gradient(network, params, inputs, [0, 1])
    assert loss == 1e4
    np.testing.assert_array_equal(gradient["b1"], [0.5, -0.5])
    np.testing.assert_array_equal(gradient["W1"], [[0.5, -0.5], [-0.5, 0.5]])


def large_logits(size, dtype):
    """Two classes whose logits are `size` apart, the labels on the wrong side in one sample of two."""
    network = backprop.Network.mlp(2, 2)
    params = backprop.Parameters.from_mapping(
        network.layout, {"W1": [[size, 0], [0, size]], "b1": [0, 0]}, dtype
    )
    return network, params, np.array([[1, -1], [1, -1]], dtype), [0, 1]


@pytest.mark.parametrize("name", STRATEGIES)
@over(
    case=((100, "float32"), (45, "float32"), (1e4, "float64"), (355, "float64")), filters=("error", "ignore")
)
def test_a_strategy_is_right_for_large_logits_or_says_which_layer_lost_them(name, case, filters):
    size, dtype = case
    arguments = large_logits(size, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter(filters)
        try:
            loss, gradient = backprop.gradient(*arguments, strategy=name)
        except OverflowedError as error:
            message = sentence(error)
            assert message.startswith(f"The strategy {name} gives ")
            assert f"in {dtype}: layer 2, softmax, gives the label of sample 1 the probability" in message
            assert f"the strategy short-form gives here, with a loss of {size:g}" in message
        else:
            assert np.isfinite(loss)
            assert np.isfinite(gradient.vector).all()


def test_the_six_strategies_that_form_probabilities_refuse_logits_of_a_hundred_in_float32():
    refused = []
    for name in STRATEGIES:
        try:
            backprop.gradient(*large_logits(100, "float32"), strategy=name)
        except OverflowedError:
            refused.append(name)
    assert set(refused) == {
        "full-jacobian",
        "full-jacobian-naive",
        "sparse-jacobian",
        "batched-jacobian",
        "batched-jacobian-einsum",
        "layerwise-vjp",
    }


def test_the_first_layer_that_overflows_is_named_and_a_wider_dtype_recommended():
    network = backprop.Network.mlp(2, 3, 2, activation="tanh", loss="mean-squared-error")
    params = network.init(np.random.default_rng(0), "float32")
    params["W2"][...] = 1e30
    inputs = np.ones((2, 2), "float32")
    with pytest.raises(OverflowedError, match="the loss mean-squared-error overflows") as caught:
        backprop.gradient(network, params, inputs, [0, 1])
    assert "float64" in sentence(caught.value)
    network = backprop.Network.mlp(2, 3, 2, activation="relu")
    params = network.init(np.random.default_rng(0), "float64")
    params["W1"][...] = 1e300
    with pytest.raises(OverflowedError, match="output 0 of layer 1, linear, is inf for sample 0") as caught:
        backprop.gradient(network, params, np.full((2, 2), 1e30), [0, 1])
    assert "smaller parameters or inputs" in sentence(caught.value)


def test_a_callers_floating_point_settings_change_nothing():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    expected = backprop.gradient(NETWORK, params, *batch).gradient.vector
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(backprop.gradient(NETWORK, params, *batch).gradient.vector, expected)
        with pytest.raises(OverflowedError):
            backprop.gradient(*large_logits(100, "float32"), strategy="layerwise-vjp")


def test_an_unknown_strategy_is_answered_with_the_nearest():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    with pytest.raises(UnknownNameError) as caught:
        backprop.gradient(NETWORK, params, *batch, strategy="short-from")
    assert sentence(caught.value).startswith("Unknown strategy 'short-from'; did you mean 'short-form'?")


def test_a_strategy_that_cannot_is_not_asked():
    params, batch = SCENARIOS["toy-relu"].sample("float64")
    with pytest.raises(UnsupportedError) as caught:
        backprop.gradient(NETWORK, params, *batch, strategy=Unable())
    message = str(caught.value)
    assert all(part in message for part in ("unable", str(NETWORK), "float64", "it is made for a test"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"params": {}}, ShapeError),
        ({"params": [1.0]}, DtypeError),
        ({"params": backprop.Network.mlp(4, 2).init(np.random.default_rng(0))}, ShapeError),
        ({"inputs": np.zeros((2, 4), "float32")}, DtypeError),
        ({"inputs": np.zeros((2, 5))}, ShapeError),
        ({"inputs": np.full((2, 4), np.nan)}, NonFiniteError),
        ({"labels": [0, 2]}, LabelError),
        ({"labels": [0.0, 1.0]}, DtypeError),
        ({"labels": [0]}, ShapeError),
        ({"strategy": None}, UnknownNameError),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_any_strategy_sees_it(change, error):
    good = {
        "params": NETWORK.init(np.random.default_rng(0)),
        "inputs": np.zeros((2, 4)),
        "labels": [0, 1],
        "strategy": Unable(),
    }
    with pytest.raises(error) as caught:
        backprop.gradient(NETWORK, **{**good, **change})
    assert isinstance(caught.value, backprop.BackpropError)
    sentence(caught.value)


def test_the_legend_has_the_letters_of_the_shapes():
    assert set(backprop.LEGEND) == set("niocp")

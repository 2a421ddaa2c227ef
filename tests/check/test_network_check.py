"""The check of a network's gradient: verdicts, tensors, the returned loss, what cannot be checked."""

import numpy as np
import pytest
from planted.gradients.by_hand import compiled, edited, source
from planted.gradients.mistakes.words import SQ
from planted.gradients.networks import NETS
from tables import sentence

import backprop
from backprop import Network, Parameters, check_network
from backprop.check.network import check_network_gradient
from backprop.errors import BackpropError, CheckError, DtypeError, LabelError, NonFiniteError, ShapeError

pytestmark = pytest.mark.usefixtures("without_lines")

RIGHT = compiled(source("relu", "cross-entropy"))
RIGHT_TANH = compiled(source("tanh", "cross-entropy"))


def checked(function, net="relu", **options):
    """The check of a function on one of the networks."""
    one = NETS[net]
    return check_network_gradient(one.network, function, *one.sample(), np.random.default_rng(0), **options)


def changed(change, net="relu"):
    """The check of the right gradient after `change(loss, gradients)`."""
    return checked(lambda *arguments: change(*RIGHT(*arguments)), net)


def test_a_right_gradient_is_right_tensor_by_tensor():
    found = checked(RIGHT)
    assert found.ok
    assert [tensor.name for tensor in found.tensors] == ["W1", "b1", "W2", "b2"]
    for tensor in found.tensors:
        assert tensor.verdict == "right"
        assert tensor.compared == np.prod(tensor.shape)
        assert tensor.error <= tensor.tolerance < 1e-12
        assert tensor.worst == ()


@pytest.mark.parametrize("dtype", ["relu", "relu-float32"])
def test_one_entry_beyond_its_rounding_is_found_and_shown(dtype):
    size = 1e-11 if dtype == "relu" else 1e-3

    def change(loss, g):
        g["W1"][3, 2] += g["W1"].dtype.type(size)
        return loss, g

    found = changed(change, dtype)
    assert [tensor.name for tensor in found.tensors if tensor.verdict == "wrong"] == ["W1"]
    (worst,) = found.tensors[0].worst
    assert worst.index == (3, 2)
    assert worst.got - worst.expected == pytest.approx(size, rel=1e-2)
    assert worst.uncertainty < size
    (finding,) = found.findings
    assert (finding.kind, finding.tensor) == ("unknown", "W1")
    assert "[3, 2]" in finding.evidence


def test_the_worst_entries_come_worst_first():
    def change(loss, g):
        g["W2"][1, 1] += 2
        g["W2"][4, 3] += 5
        g["W2"][0, 2] -= 3
        return g

    (tensor,) = [each for each in changed(change).tensors if each.verdict == "wrong"]
    assert [entry.index for entry in tensor.worst] == [(4, 3), (0, 2), (1, 1)]


def test_what_is_lost_below_the_rounding_of_the_largest_entry_is_no_mistake():
    one = NETS["wide"]
    params, batch = one.sample()
    batch.inputs[:, 5] = 0  # that row of dW1 is zero for certain

    def off(size):
        def function(tensors, inputs, labels):
            g = RIGHT(tensors, inputs, labels)[1]
            g["W1"][5, 5] += size * np.max(np.abs(g["W1"]))
            return g

        return check_network_gradient(one.network, function, params, batch, np.random.default_rng(0)).verdict

    assert (off(1e-17), off(1e-15)) == ("right", "wrong")


def test_tensors_that_are_right_stay_right_beside_a_wrong_one():
    found = changed(lambda loss, g: {**g, "b1": -g["b1"]})
    assert {tensor.name: tensor.verdict for tensor in found.tensors} == {
        "W1": "right",
        "b1": "wrong",
        "W2": "right",
        "b2": "right",
    }
    assert [(finding.kind, finding.tensor) for finding in found.findings] == [("sign", "b1")]


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (6, "sum-instead-of-mean"),
        (1 / 6, "mean-instead-of-sum"),
        (-1, "sign"),
        (2, "constant-factor"),
        (3.3, "unknown"),
    ],
)
def test_a_wrong_loss_is_a_finding_though_the_gradient_is_right(factor, kind):
    found = changed(lambda loss, g: (factor * loss, g))
    assert found.verdict == "wrong"
    assert [(finding.kind, finding.tensor) for finding in found.findings] == [(kind, None)]
    assert "loss" in found.findings[0].evidence


def test_an_epsilon_inside_the_logarithm_of_the_loss_is_a_note():
    found = changed(lambda loss, g: (loss - 3e-9, g))
    assert found.ok
    assert any("ε" in note for note in found.notes)


def test_a_loss_that_is_off_by_more_than_an_epsilon_is_a_finding():
    (finding,) = changed(lambda loss, g: (loss + 1e-4, g)).findings
    assert (finding.kind, finding.tensor) == ("unknown", None)


def test_labels_of_which_no_class_comes_twice_may_be_shifted_or_permuted():
    network = Network.mlp(6, 8, 7, activation="tanh")
    rng = np.random.default_rng(0)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((4, 6)), np.array([3, 0, 5, 1]), params.dtype)
    other = source("tanh", "cross-entropy").replace(
        "y[np.arange(n), labels] = 1", "y[np.arange(n), [5, 1, 3, 0]] = 1"
    )
    (finding,) = [
        each
        for each in check_network_gradient(network, compiled(other), params, batch, rng).findings
        if each.kind != "unknown"
    ]
    assert (finding.kind, finding.confidence) == ("classes-permuted", "likely")
    assert "labels-shifted" in finding.evidence


def test_a_loss_that_is_wrong_as_the_gradient_is_makes_one_finding():
    def change(loss, g):
        return 6 * loss, {name: 6 * value for name, value in g.items()}

    (finding,) = changed(change).findings
    assert finding.kind == "sum-instead-of-mean"
    assert "loss" in finding.evidence


def test_a_loss_that_is_wrong_as_one_tensor_is_makes_a_finding_beside_it():
    found = changed(lambda loss, g: (6 * loss, {**g, "W1": 6 * g["W1"]})).findings
    assert [(each.kind, each.tensor) for each in found] == [
        ("sum-instead-of-mean", "W1"),
        ("sum-instead-of-mean", None),
    ]


@pytest.mark.parametrize(
    ("divisor", "said"),
    [("n", "the absolute error, summed over the classes"), ("(n * c)", "the mean absolute error")],
)
def test_the_absolute_error_is_told_with_what_it_is_divided_by(divisor, said):
    absolute = edited(
        source("relu", "mean-squared-error"), [(SQ, f"delta = np.sign(z[depth] - y) / {divisor}")]
    )
    (finding,) = checked(compiled(absolute), "relu-squares").findings
    assert finding.kind == "other-loss"
    assert said in finding.evidence


def test_a_slope_on_the_wrong_side_of_an_edge_is_told_with_its_layer():
    signs = edited(source("relu", "cross-entropy"), [("return (z > 0).astype(z.dtype)", "return np.sign(z)")])
    evidence = " ".join(finding.evidence for finding in checked(compiled(signs)).findings)
    assert "relu'(z1) is the sign of z: -1 left of zero instead of 0" in evidence


def test_the_same_factor_in_all_tensors_is_one_finding_of_the_whole():
    (finding,) = changed(lambda loss, g: {name: 6 * value for name, value in g.items()}).findings
    assert (finding.kind, finding.tensor, finding.confidence) == ("sum-instead-of-mean", None, "certain")


def test_a_batch_of_two_cannot_tell_a_sum_from_a_factor_of_two():
    network = Network.mlp(6, 5, 4, activation="tanh")
    rng = np.random.default_rng(3)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((2, 6)), np.array([1, 3]), params.dtype)
    twice = compiled(source("tanh", "cross-entropy").replace("(p - y) / n", "(p - y)"))
    (finding,) = check_network_gradient(network, twice, params, batch, rng).findings
    assert (finding.kind, finding.confidence) == ("sum-instead-of-mean", "likely")
    assert "constant-factor" in finding.evidence


def test_a_batch_of_one_is_said_to_hide_what_happens_over_the_batch():
    assert any("larger batch" in note for note in checked(RIGHT, "one-sample").notes)
    assert checked(RIGHT).notes == ()


def test_weight_decay_is_part_of_the_truth_where_the_loss_has_it():
    def decayed(params, inputs, labels):
        loss, g = RIGHT(params, inputs, labels)
        loss += 0.005 * sum(np.sum(params[name] ** 2) for name in ("W1", "W2"))
        return loss, {name: g[name] + (0.01 * params[name] if name[0] == "W" else 0) for name in g}

    assert checked(decayed, weight_decay=0.01).ok
    (finding,) = [each for each in checked(decayed).findings if each.tensor]
    assert finding.kind == "weight-decay-extra"
    assert "0.01" in finding.evidence


def test_a_network_that_is_no_perceptron_is_checked_without_hypotheses():
    from backprop.layers import Linear, ReLU, Softmax, Tanh
    from backprop.losses import CrossEntropy

    network = Network((Linear(5, 4), ReLU(), Tanh(), Linear(4, 3), Softmax()), CrossEntropy())
    rng = np.random.default_rng(0)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((4, 5)), np.array([0, 1, 2, 1]), params.dtype)

    def gradient(factor):
        def function(tensors, inputs, labels):
            from backprop import Parameters
            from backprop.verify import reference_gradient

            own = Parameters.from_mapping(network.layout, tensors, float)
            g = reference_gradient(network, own, network.batch(inputs, labels, params.dtype))
            return {name: (factor if name == "W1" else 1) * g[name].astype(float) for name in g}

        return function

    assert check_network_gradient(network, gradient(1), params, batch, rng).ok
    found = check_network_gradient(network, gradient(4), params, batch, rng)
    assert [(finding.kind, finding.tensor) for finding in found.findings] == [("sum-instead-of-mean", "W1")]


def test_a_layer_without_hidden_ones_and_a_hidden_softmax_can_be_checked():
    for sizes, activation in (((4, 3), "relu"), ((5, 4, 3), "softmax")):
        network = Network.mlp(*sizes, activation=activation)
        rng = np.random.default_rng(1)
        params = network.init(rng)
        batch = network.batch(rng.standard_normal((4, sizes[0])), np.array([0, 1, 2, 1]), params.dtype)

        def function(tensors, inputs, labels, network=network):
            import backprop

            own = backprop.Parameters.from_mapping(network.layout, tensors, float)
            return backprop.gradient(network, own, inputs, labels)._asdict()["gradient"]

        assert check_network_gradient(network, function, params, batch, rng).ok


ANSWERS = {
    "None": (lambda loss, g: None, "None"),
    "a list that is too short": (lambda loss, g: list(g.values())[:-1], "a list"),
    "a number": (lambda loss, g: loss, "float"),
    "complex numbers": (lambda loss, g: {name: value + 0j for name, value in g.items()}, "complex"),
    "texts": (lambda loss, g: {**g, "W1": "much"}, "W1"),
    "three things": (lambda loss, g: (loss, g, g), "a tuple"),
    "a complex loss": (lambda loss, g: (loss + 0j, g), "loss"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_no_gradient_is_refused_in_one_sentence(name):
    change, said = ANSWERS[name]
    with pytest.raises(CheckError) as error:
        changed(change)
    assert said in sentence(error.value)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda params, batch: (params, batch._replace(labels=batch.labels + 9)), LabelError),
        (lambda params, batch: (dict(params), batch), DtypeError),
        (lambda params, batch: (Parameters(params.layout, params.vector * np.nan), batch), NonFiniteError),
        (lambda params, batch: (Network.mlp(3, 2).init(np.random.default_rng(0)), batch), ShapeError),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, error):
    one = NETS["relu"]
    with pytest.raises(error):
        check_network_gradient(one.network, RIGHT, *change(*one.sample()), np.random.default_rng(0))


def test_what_the_function_raises_is_handed_on():
    def raises(params, inputs, labels):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        checked(raises)


def test_the_callers_arrays_are_never_handed_to_the_function():
    one = NETS["relu"]
    params, batch = one.sample()
    before = params.vector.copy(), batch.inputs.copy(), batch.labels.copy()

    def spoils(tensors, inputs, labels):
        answer = RIGHT(tensors, inputs, labels)
        for array in (*tensors.values(), inputs, labels):
            array += 1
        return answer

    found = check_network_gradient(one.network, spoils, params, batch, np.random.default_rng(0))
    assert {finding.kind for finding in found.findings} == {"modifies-arguments"}
    for old, new in zip(before, (params.vector, *batch), strict=True):
        assert np.array_equal(old, new)


def test_a_random_answer_is_not_diagnosed_further():
    noise = np.random.default_rng(0)
    found = changed(lambda loss, g: {name: value + noise.random(value.shape) for name, value in g.items()})
    assert [finding.kind for finding in found.findings] == ["not-repeatable"]
    assert found.verdict == "wrong"


def test_a_narrower_dtype_is_one_finding_and_its_rounding_none():
    found = changed(lambda loss, g: {name: value.astype(np.float32) for name, value in g.items()})
    assert {finding.kind for finding in found.findings} == {"wrong-dtype"}
    assert all(tensor.verdict == "right" for tensor in found.tensors)


def test_the_first_tensor_that_is_not_finite_is_the_first_on_the_way_back():
    def change(loss, g):
        g["W1"][0, 0] = g["b2"][1] = np.nan
        return g

    (finding,) = changed(change).findings
    assert (finding.kind, finding.tensor) == ("not-finite", "b2")


def test_a_transposed_tensor_has_a_row_that_says_wrong_and_no_error_below_its_tolerance():
    found = changed(lambda loss, g: {**g, "W1": g["W1"].T.copy()})
    rows = {tensor.name: tensor for tensor in found.tensors}
    assert [name for name in rows if rows[name].verdict == "wrong"] == ["W1"]
    assert np.isnan(rows["W1"].error)
    assert rows["W1"].compared == 0
    assert [finding.kind for finding in found.findings] == ["transposed"]


@pytest.mark.parametrize("size", [1e-6, 1e-11, 1e-14])
def test_a_wrong_row_never_has_an_error_below_its_tolerance(size):
    """A wrong entry may be lost in the norm of much larger ones beside it."""
    one = NETS["relu"]
    params, batch = one.sample()
    batch.inputs[:, 4] = 1e-8 * (1 + batch.inputs[:, 4])

    def slightly_off(tensors, inputs, labels):
        loss, g = RIGHT(tensors, inputs, labels)
        g["W1"][4] *= 1 + size / 1e-8
        return loss, g

    found = check_network_gradient(one.network, slightly_off, params, batch, np.random.default_rng(0))
    for tensor in found.tensors:
        assert (tensor.verdict == "wrong") == (tensor.error > tensor.tolerance)


def test_a_gradient_that_is_zero_everywhere_is_said_to_test_nothing():
    one = NETS["relu"]
    params, batch = one.sample()
    params["b1"][...] = -100
    found = check_network_gradient(one.network, RIGHT, params, batch, np.random.default_rng(0))
    assert found.ok
    (note,) = found.notes
    assert "gradient of W1, b1 and W2 is 0 in every entry" in note


def test_an_error_without_a_name_is_only_possible_and_has_its_pattern():
    def change(loss, g):
        g["W1"][3] += np.linspace(1, 2, g["W1"].shape[1])
        return loss, g

    (finding,) = changed(change).findings
    assert (finding.kind, finding.confidence) == ("unknown", "possible")
    assert "row 3" in finding.evidence
    (finding,) = changed(lambda loss, g: (loss + 0.123, g)).findings
    assert (finding.kind, finding.confidence) == ("unknown", "possible")


def test_where_rounding_is_as_large_as_the_gradient_nothing_is_called_right():
    one = NETS["tanh"]
    params, batch = one.sample()
    params["W2"][...] *= 400  # the samples are certain, and what is left of p - y is rounding
    labels = one.network.predict(params, batch.inputs)
    found = check_network_gradient(
        one.network, RIGHT_TANH, params, batch._replace(labels=labels), np.random.default_rng(0)
    )
    assert found.verdict == "undecided"
    assert any("Rounding may move the gradient" in note for note in found.notes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bias_that_batch_normalisation_takes_away_is_right_where_it_is_zero_up_to_rounding(dtype):
    network = Network.parse("6 5 batch-norm relu 4 batch-norm tanh 3")
    rng = np.random.default_rng(0)
    params = network.init(rng, dtype)
    inputs, labels = rng.standard_normal((32, 6)).astype(dtype), rng.integers(0, 3, 32)

    def gradient(params, inputs, labels):
        own = backprop.Parameters.from_mapping(network.layout, params, np.dtype(dtype))
        loss, found = backprop.gradient(network, own, inputs, labels, strategy="layerwise-vjp")
        return loss, {name: found[name].copy() for name in found}

    check = backprop.check_network(gradient, network, params, inputs, labels)
    assert check.ok, str(check)
    assert any("The true gradient of b1 and b3 is 0" in note for note in check.notes)

    def shifted(params, inputs, labels):
        loss, found = gradient(params, inputs, labels)
        return loss, {**found, "b1": found["b1"] + np.asarray(1e-3, dtype)}

    wrong = backprop.check_network(shifted, network, params, inputs, labels)
    assert [tensor.name for tensor in wrong.tensors if tensor.verdict == "wrong"] == ["b1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"network": "784-10"}, "The network is a str; expected a Network"),
        ({"seed": "a"}, "seed is 'a'; expected"),
        ({"weight_decay": "a"}, "The weight decay is 'a'; expected"),
        ({"params": {"W1": np.zeros(3)}}, "The parameter W1 has shape (3,); expected (4, 3)"),
    ],
)
def test_the_door_refuses_what_does_not_fit_in_a_sentence(options, said):
    right = {"function": RIGHT, "network": Network.mlp(4, 3, 2)}
    with pytest.raises(BackpropError) as caught:
        check_network(**{**right, **options})
    assert said in sentence(caught.value)


def test_the_door_takes_parameters_by_name():
    one = NETS["relu"]
    params, batch = one.sample()
    assert check_network(RIGHT, one.network, dict(params), *batch).ok

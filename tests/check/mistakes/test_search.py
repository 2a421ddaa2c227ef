"""The search explains a gradient with the fewest mistakes, and says what it cannot tell apart."""

import numpy as np
import pytest

from backprop import Network
from backprop.check.network.mistakes import Got, Run, find_mistakes
from backprop.check.network.truth import truth_for

SIZES = (12, 8, 8, 5)


def setting(activation="tanh", sizes=SIZES, n=6, seed=0, bias=True):
    rng = np.random.default_rng(seed)
    network = Network.mlp(*sizes, activation=activation, bias=bias)
    params = network.init(rng)
    for name in params:
        params[name][...] += 0.1 * rng.standard_normal(params[name].shape)
    batch = network.batch(rng.random((n, sizes[0])), np.arange(n) % sizes[-1], params.dtype)
    return network, params, batch


def explained(change, **options):
    """The mistakes that are seen in the true gradient after `change`."""
    network, params, batch = setting(**options)
    truth = truth_for(network, params, batch, {})
    tensors = {name: truth.gradient[name].astype(float) for name in params}
    before = {name: value.copy() for name, value in tensors.items()}
    change(tensors, params)
    error = {name: float(np.linalg.norm(tensors[name] - before[name])) for name in params}
    wrong = frozenset(name for name in params if error[name] > 1e-10)
    got = Got(tensors, dict.fromkeys(tensors, 1e-12), error, wrong)
    run = Run.of(network, params, batch.inputs, batch.labels)
    return find_mistakes(run, got)


def kinds(match):
    return sorted((mistake.kind, mistake.tensors) for mistake in match.mistakes)


def test_nothing_is_wrong_with_the_truth():
    assert explained(lambda g, params: None).mistakes == ()


def test_a_factor_on_every_tensor_is_one_mistake_of_the_output():
    def change(g, params):
        for value in g.values():
            value *= 6

    (mistake,) = explained(change).mistakes
    assert (mistake.kind, mistake.layer) == ("sum-instead-of-mean", 2)


def test_a_factor_on_one_layer_is_no_mistake_of_the_others():
    def change(g, params):
        g["W3"] *= 6
        g["b3"] *= 6

    (mistake,) = explained(change).mistakes
    assert (mistake.kind, mistake.layer, set(mistake.tensors)) == ("sum-instead-of-mean", None, {"W3", "b3"})


def test_mistakes_in_different_tensors_are_told_apart():
    def change(g, params):
        g["W3"] *= -1
        g["b1"][...] = 0
        g["W2"][...] = g["W2"].T.copy()

    assert kinds(explained(change)) == [
        ("sign", ("W3",)),
        ("transposed", ("W2",)),
        ("zero-gradient", ("b1",)),
    ]


def test_two_mistakes_in_one_tensor_are_both_named():
    def change(g, params):
        g["W2"][...] = 2 * g["W2"].T

    assert {mistake.kind for mistake in explained(change).mistakes} == {"transposed", "constant-factor"}


def test_what_nothing_explains_stays_unknown_and_keeps_what_was_expected():
    def change(g, params):
        g["W1"][3, 4] += 1

    (mistake,) = explained(change).mistakes
    assert (mistake.kind, mistake.tensors) == ("unknown", ("W1",))
    assert mistake.expected is not None


@pytest.mark.parametrize("decay", [0.3, -0.002])
def test_a_decay_is_told_with_its_size_and_sign(decay):
    def change(g, params):
        g["W1"] += decay * params["W1"]

    (mistake,) = explained(change).mistakes
    assert mistake.kind == ("weight-decay-extra" if decay > 0 else "weight-decay-missing")
    assert f"{abs(decay):g}" in mistake.text


def test_a_number_is_fitted_to_the_weights_where_there_is_no_bias():
    options = {"sizes": (12, 8, 5), "bias": False}
    network, params, batch = setting(**options)
    run = Run.of(network, params, batch.inputs, batch.labels)

    def change(g, params):
        updated = params["W2"] - 0.5 * g["W2"]
        g["W1"][...] = run.x[0].T @ run.through(0, run.output_delta() @ updated.T)

    (mistake,) = explained(change, **options).mistakes
    assert mistake.kind == "updated-too-early"
    assert "0.5" in mistake.text


def test_a_factor_of_n_and_of_two_are_one_for_a_batch_of_two():
    def change(g, params):
        for value in g.values():
            value *= 2

    (mistake,) = explained(change, n=2).mistakes
    assert mistake.kind == "sum-instead-of-mean"
    assert mistake.also == ("constant-factor",)


def test_a_hypothesis_must_be_clearly_nearer_than_the_truth():
    got = Got({"b": np.array([1.0, 2.0])}, {"b": 1.0}, {"b": 0.1}, frozenset({"b"}))
    assert got.fits("b", np.array([1.0, 2.0]))
    assert not got.fits("b", np.array([1.0, 2.05]))


def test_a_network_that_does_not_alternate_has_no_run():
    from backprop.layers import Linear, ReLU, Softmax, Tanh
    from backprop.losses import CrossEntropy

    network = Network((Linear(3, 2), ReLU(), Tanh(), Linear(2, 2), Softmax()), CrossEntropy())
    params = network.init(np.random.default_rng(0))
    assert Run.of(network, params, np.ones((1, 3)), np.array([0])) is None


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "softmax"])
def test_a_run_goes_back_as_the_reference_does(activation):
    network, params, batch = setting(activation)
    run = Run.of(network, params, batch.inputs, batch.labels)
    truth = truth_for(network, params, batch, {}).gradient
    delta = run.output_delta()
    for k in range(run.depth - 1, -1, -1):
        weights, bias = run.names(k)
        assert run.x[k].T @ delta == pytest.approx(truth[weights].astype(float), rel=1e-9, abs=1e-14)
        assert delta.sum(axis=0) == pytest.approx(truth[bias].astype(float), rel=1e-9, abs=1e-14)
        if k:
            delta = run.through(k - 1, delta @ run.weights[k].T)


def test_a_bias_alone_is_too_little_to_name_another_loss():
    """Σₙ p/n is the bias gradient of a loss without labels; with weights that do not fit it is no such loss."""
    network, params, batch = setting(sizes=(12, 5))
    run = Run.of(network, params, batch.inputs, batch.labels)

    def change(g, params):
        g["b1"][...] = run.y.sum(axis=0) / run.n
        g["W1"][...] = np.cos(np.arange(g["W1"].size)).reshape(g["W1"].shape)

    assert kinds(explained(change, sizes=(12, 5))) == [("unknown", ("W1",)), ("unknown", ("b1",))]

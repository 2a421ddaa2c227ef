"""Of many parameters, random directions tell right from wrong, and a search tells where."""

import numpy as np
import pytest
from over import part

import backprop
from backprop.check.numeric.tensors import locate

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(7)
P = 400_000
POINT = {"W": RNG.standard_normal((500, 798)), "b": RNG.standard_normal(1000)}


MIDDLE = {"W": RNG.standard_normal((200, 150)), "b": RNG.standard_normal(1000)}


def function(params):
    return np.mean(np.tanh(params["W"]) ** 2) + np.mean(np.sin(params["b"]))


def black_box(params):
    """The same, for which complex steps are no slopes."""
    return function({name: np.asarray(array).real for name, array in params.items()})


def float32_inside(params):
    return function({name: array.astype(np.float32) for name, array in params.items()})


def gradient(params):
    y = np.tanh(params["W"])
    return {"W": 2 * y * (1 - y * y) / y.size, "b": np.cos(params["b"]) / len(params["b"])}


def with_mistake(name, change):
    def wrong(params):
        found = gradient(params)
        return {**found, name: change(found[name].copy())}

    return wrong


def entry(w):
    w[123, 45] += 0.1 * np.max(np.abs(w))
    return w


def column(w):
    w[:, 17] = 0
    return w


@pytest.mark.parametrize(
    "called", [function, black_box, pytest.param(float32_inside, marks=pytest.mark.sweep)]
)
def test_a_right_gradient_of_400_000_parameters_takes_at_most_200_calls(called):
    check = backprop.check_gradient(called, gradient, POINT, max_calls=10_000)
    assert sum(np.prod(tensor.shape, dtype=int) for tensor in check.tensors) == P
    assert check.ok, check
    assert check.calls <= 200


def test_a_relu_network_in_float32_alone_is_right_to_some_per_cent_within_200_calls():
    """Thousands of kinks lie closer than float32 lets quotients see: the claim along the step decides."""
    network = backprop.Network.mlp(98, 512, 10)
    params = network.init(np.random.default_rng(0), dtype=np.float32)
    inputs = np.random.default_rng(1).random((16, 98), dtype=np.float32)
    labels = np.arange(16) % 10

    def loss(params):
        if params["W1"].dtype != np.float32:
            raise TypeError
        return network.loss(params, inputs, labels)

    def by_hand(params):
        whole = backprop.Parameters.from_mapping(network.layout, params, np.float32)
        return dict(backprop.gradient(network, whole, inputs, labels).gradient)

    check = backprop.check_gradient(loss, by_hand, dict(params), rtol=0.05)
    assert check.ok, check
    assert check.calls <= 200
    strict = backprop.check_gradient(loss, by_hand, dict(params))
    assert strict.verdict == "undecided"
    assert any("noise hides its gradient" in note for note in strict.notes)


@pytest.mark.parametrize("called", part([function, black_box], 2))
def test_one_wrong_entry_is_found_and_named(called):
    check = backprop.check_gradient(called, with_mistake("W", entry), MIDDLE)
    assert [tensor.verdict for tensor in check.tensors] == ["wrong", "right"]
    assert [worst.index for worst in check.tensors[0].worst] == [(123, 45)]
    assert "W[123, 45]" in check.findings[0].evidence
    assert check.calls <= 2000


def test_a_wrong_column_is_found():
    check = backprop.check_gradient(function, with_mistake("W", column), MIDDLE)
    assert "W[:, 17]" in check.findings[0].evidence


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda g, b: -g, "sign"),
        (lambda g, b: 0 * g, "zero-gradient"),
        (lambda g, b: 3 * g, "constant-factor"),
        (lambda g, b: g + 1e-3 * b, "weight-decay-extra"),
        (lambda g, b: g.astype(np.float32).astype(np.float64), "lower-precision"),
        (lambda g, b: np.abs(g), "unknown"),
    ],
)
def test_signatures_are_recognised_along_directions_alone(change, kind):
    def wrong(params):
        found = gradient(params)
        return {**found, "b": change(found["b"], params["b"])}

    check = backprop.check_gradient(function, wrong, MIDDLE)
    assert [(finding.kind, finding.tensor) for finding in check.findings] == [(kind, "b")]


def test_a_kink_among_many_parameters_is_found_and_the_rest_is_checked():
    point = RNG.standard_normal(3000)
    point[1234] = 0

    def gradient(x):
        return np.sign(x)

    check = backprop.check_gradient(lambda x: np.sum(np.abs(x)), gradient, point)
    assert check.ok, check
    assert [kink.index for kink in check.kinks] == [(1234,)]
    wrong = backprop.check_gradient(lambda x: np.sum(np.abs(x)), lambda x: np.sign(x) * (x < 2), point)
    assert wrong.verdict == "wrong"


def test_many_tensors_are_checked_in_groups():
    point = [RNG.standard_normal(100) for _ in range(60)]

    def of_all(p):
        return sum(np.sum(np.sin(np.asarray(each).real)) for each in p)

    right = backprop.check_gradient(of_all, lambda p: [np.cos(each) for each in p], point)
    assert right.ok
    assert right.calls <= 200

    def wrong(p):
        return [np.cos(each) * (2 if k == 41 else 1) for k, each in enumerate(p)]

    check = backprop.check_gradient(of_all, wrong, point)
    assert [(finding.kind, finding.tensor) for finding in check.findings] == [("constant-factor", "[41]")]


@pytest.mark.parametrize("max_calls", [240, 400])
def test_a_tensor_is_wrong_by_its_directions_though_no_entry_that_was_seen_is(max_calls):
    """Of 15,000 entries the 300 of a column are a fifth too large."""
    point = np.random.default_rng(0).standard_normal((300, 50))
    check = backprop.check_gradient(
        lambda p: np.sum(np.sin(np.asarray(p).real)),
        lambda p: np.cos(p) * np.where(np.arange(50) == 7, 1.2, 1),
        point,
        max_calls=max_calls,
    )
    assert [tensor.verdict for tensor in check.tensors] == ["wrong"]
    assert check.tensors[0].worst == ()


def test_too_few_calls_leave_a_gradient_undecided_and_say_so():
    point = [RNG.standard_normal(100) for _ in range(30)]
    check = backprop.check_gradient(
        lambda p: sum(np.sum(np.sin(np.asarray(each).real)) for each in p),
        lambda p: [np.cos(each) for each in p],
        point,
        max_calls=60,
    )
    assert check.calls <= 60
    assert check.verdict in ("right", "undecided")
    assert check.ok or "max_calls" in " ".join(check.notes)


@pytest.mark.parametrize(
    ("wrong", "chosen"),
    [
        ({(3, 4)}, "[3, 4]"),
        ({(3, k) for k in range(20)}, "[3, :]"),
        ({(k, 4) for k in range(30)}, "[:, 4]"),
        ({(1, 2), (1, 5)}, "[1, {2, 5}]"),
    ],
)
def test_the_search_finds_the_slices_in_a_few_dozen_tests(wrong, chosen):
    bad = {100 + i * 20 + k for i, k in wrong}
    tests = []

    def test(places):
        tests.append(len(places))
        return bool(bad & set(places.tolist()))

    slices = locate(100 + np.arange(600).reshape(30, 20), test)
    assert str(slices) == chosen
    assert bad <= set(slices.inside.tolist())
    assert len(tests) <= 60

"""A pushforward is checked along a random tangent of each input, in whatever way it takes them."""

import numpy as np
import pytest
from findings import kinds

import backprop
from backprop.errors import CheckError
from backprop.testing import assert_jvp

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(7)
X, W = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 2))


def forward(x, W):
    return np.tanh(x @ W)


def pushforward(x, W, dx, dW):
    return (1 - forward(x, W) ** 2) * (dx @ W + x @ dW)


@pytest.mark.parametrize(
    ("push", "words"),
    [
        (pushforward, "pushforward(x, W, dx, dW)"),
        (lambda dx, dW, x, W: pushforward(x, W, dx, dW), "pushforward(dx, dW, x, W)"),
        (lambda p, v: (forward(*p), pushforward(*p, *v)), "pushforward(inputs, tangents)"),
    ],
)
def test_the_form_of_a_pushforward_is_told_by_what_works_and_said(push, words):
    check = backprop.check_jvp(forward, push, (X, W))
    assert check.ok, check
    assert check.notes[0] == f"{words} is called."
    assert [(tensor.name, tensor.shape) for tensor in check.tensors] == [("x", (3, 2)), ("W", (3, 2))]
    assert str(check).startswith("The pushforward is right.")


def test_the_input_whose_tangent_is_used_wrongly_is_named():
    check = backprop.check_jvp(forward, lambda x, W, dx, dW: pushforward(x, W, dx, -dW), (X, W))
    assert kinds(check) == {"W": "sign"}
    check = backprop.check_jvp(forward, lambda x, W, dx, dW: pushforward(x, W, dx, 0 * dW), (X, W))
    assert kinds(check) == {"W": "zero-gradient"}


def test_a_pushforward_must_be_linear_in_its_tangents():
    def product(x, W, dx, dW):
        return pushforward(x, W, dx, dW) + 0.1 * dx @ dW

    assert kinds(backprop.check_jvp(forward, product, (X, W), tangents_first=False)) == {
        None: "not-linear-in-tangent"
    }


def test_of_one_input_the_order_is_told_by_what_is_linear_or_asked_for():
    assert backprop.check_jvp(np.sin, lambda x, v: np.cos(x) * v, X).ok
    assert backprop.check_jvp(np.sin, lambda v, x: np.cos(x) * v, X).ok
    with pytest.raises(CheckError, match="expected tangents_first=True or tangents_first=False"):
        backprop.check_jvp(np.sin, lambda x, v: np.cos(x) * v * v, X)
    check = backprop.check_jvp(np.sin, lambda x, v: np.cos(x) * v * v, X, tangents_first=False)
    assert check.verdict == "wrong"


def test_labels_have_no_tangent():
    labels = np.array([1, 0, 1])
    check = backprop.check_jvp(
        lambda x, labels: x[np.arange(3), labels], lambda x, labels, dx: dx[np.arange(3), labels], (X, labels)
    )
    assert check.ok, check


def test_of_many_outputs_combinations_are_compared():
    x = RNG.normal(size=5000)
    check = backprop.check_jvp(np.sin, lambda x, v: np.cos(x) * v, x)
    assert check.ok, check
    assert check.tensors[0].shape == (8,)
    assert "5000" in check.notes[1]
    assert check.calls <= 150

    def wrong(x, v):
        given = np.cos(x) * v
        given[17] *= 1.001
        return given

    assert backprop.check_jvp(np.sin, wrong, x).verdict == "wrong"


def test_a_float32_pushforward_is_judged_by_its_own_rounding():
    single = (X.astype(np.float32), W.astype(np.float32))

    def in_single(*given):
        return pushforward(*(each.astype(np.float32) for each in given))

    assert backprop.check_jvp(forward, pushforward, single).ok
    assert backprop.check_jvp(forward, in_single, single).ok
    assert backprop.check_jvp(forward, lambda *a: 1.001 * pushforward(*a), single).verdict == "wrong"


def test_assert_jvp_fails_with_the_printed_check():
    assert assert_jvp(forward, pushforward, (X, W)).ok
    with pytest.raises(AssertionError, match="The pushforward is wrong"):
        assert_jvp(forward, lambda *a: -pushforward(*a), (X, W))
    with pytest.raises(CheckError, match="There is no derivative"):
        assert_jvp(forward, inputs=(X, W))


def test_a_pushforward_that_gives_nothing_is_refused_in_a_sentence():
    with pytest.raises(CheckError, match="pushforward gave None; expected the tangent of the outputs"):
        backprop.check_jvp(forward, lambda x, W, dx, dW: None, (X, W))

"""Kinks and flat spots of a function are told from mistakes, and the rest is still checked."""

import numpy as np
import pytest

import backprop

pytestmark = pytest.mark.usefixtures("without_lines")

WEIGHTS = np.arange(1.0, 5.0)
EDGE = np.array([1.0, 0.0, -1.0, 2.0])


def relu(x):
    return np.sum(WEIGHTS * np.maximum(x, 0))


def at(check):
    return [(kink.tensor, kink.index) for kink in check.kinks]


@pytest.mark.parametrize("slope_at_zero", [0.0, 0.5, 1.0])
def test_on_a_relu_edge_every_slope_between_both_sides_is_right(slope_at_zero):
    check = backprop.check_gradient(relu, lambda x: WEIGHTS * np.where(x == 0, slope_at_zero, x > 0), EDGE)
    assert check.ok, check
    assert at(check) == [("x", (1,))]
    assert "0 and 2" in check.kinks[0].reason


def test_beside_a_relu_edge_a_mistake_is_found():
    def gradient(x):
        wrong = WEIGHTS * (x > 0)
        wrong[3] *= 1.5
        return wrong

    check = backprop.check_gradient(relu, gradient, EDGE)
    assert check.verdict == "wrong"
    assert [entry.index for entry in check.tensors[0].worst] == [(3,)]
    assert at(check) == [("x", (1,))]


def test_a_claim_that_is_wrong_beside_the_kink_is_wrong_though_it_is_between_both_slopes():
    check = backprop.check_gradient(np.max, lambda x: 0 * x, np.array([1.0, 2.0, 2.0, 0.0]))
    assert check.verdict == "wrong"


@pytest.mark.parametrize(
    ("function", "gradient", "point", "where"),
    [
        (lambda x: np.sum(np.abs(x)), np.sign, np.array([0.0, 1.0]), [(0,)]),
        (np.max, lambda x: np.eye(len(x))[np.argmax(x)], np.array([3.0, 1.0, 3.0]), [(0,), (2,)]),
        (
            lambda x: np.sum(np.clip(x, 0, 1)),
            lambda x: 1.0 * ((x > 0) & (x < 1)),
            np.array([1.0, 0.5]),
            [(0,)],
        ),
        (lambda x: np.linalg.norm(x), lambda x: 0 * x, np.zeros(2), [(0,), (1,)]),
    ],
)
def test_ties_and_corners_are_reported_with_their_entries(function, gradient, point, where):
    check = backprop.check_gradient(function, gradient, point)
    assert check.verdict == "right", check
    assert [kink.index for kink in check.kinks] == where


def test_a_dead_network_at_its_kink_is_no_mistake_and_no_subgradient():
    """All weights zero: every pre-activation is on the edge, and relu'(0) = 0 gives the slope of neither side."""
    inputs, targets = np.random.default_rng(0).standard_normal((2, 8, 3))

    def function(params):
        return np.mean((np.maximum(inputs @ params["W"], 0) - targets) ** 2)

    def gradient(params):
        z = inputs @ params["W"]
        return {"W": inputs.T @ (2 * (np.maximum(z, 0) - targets) * (z > 0)) / targets.size}

    check = backprop.check_gradient(function, gradient, {"W": np.zeros((3, 3))})
    assert check.verdict == "undecided", check
    assert check.findings == ()
    assert len(check.kinks) == 9


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_beside_a_kink_there_is_a_derivative(distance, dtype):
    point = np.array([1.0, distance, -distance, 2.0], dtype)
    check = backprop.check_gradient(
        lambda x: np.sum(np.maximum(np.asarray(x).real, 0)), lambda x: (x > 0).astype(x.dtype), point
    )
    assert check.ok, check
    assert at(check) == []


@pytest.mark.parametrize(("width", "verdict"), [(1e-10, "wrong"), (1e-11, "wrong"), (1e-13, "undecided")])
def test_a_narrow_bend_is_no_kink_at_which_a_slope_between_both_sides_is_right(width, verdict):
    """The gradient is wrong at 0 alone. Beside a value of 1 the narrowest bend is hidden by rounding."""

    def value(x):
        return 1 + np.sum(np.sqrt(np.asarray(x).real ** 2 + width**2))

    check = backprop.check_gradient(
        value, lambda x: np.where(x == 0, 0.5, x / np.sqrt(x**2 + width**2)), np.zeros(2)
    )
    assert check.verdict == verdict


def test_where_nothing_moves_the_gradient_is_zero():
    point = np.array([-1.0, -2.0])
    assert backprop.check_gradient(lambda x: np.sum(np.maximum(x, 0)), lambda x: 1.0 * (x > 0), point).ok
    assert backprop.check_gradient(lambda x: 3.0, np.zeros_like, point).ok
    wrong = backprop.check_gradient(lambda x: 3.0, np.ones_like, point)
    assert wrong.verdict == "wrong"


def test_saturated_functions_are_flat():
    point = np.full(3, 40.0)
    assert backprop.check_gradient(lambda x: np.sum(np.tanh(x)), lambda x: 1 - np.tanh(x) ** 2, point).ok
    assert backprop.check_gradient(lambda x: np.sum(np.tanh(x.real)), lambda x: 1 / np.cosh(x) ** 2, point).ok


def test_where_the_function_ends_its_slope_is_that_of_one_side():
    point = np.array([0.0, 1.0])
    check = backprop.check_gradient(lambda x: np.sum(x**1.5), lambda x: 1.5 * np.sqrt(x), point)
    assert check.ok, check
    assert "one side only" in check.kinks[0].reason


@pytest.mark.parametrize(
    ("function", "slope", "claim", "verdict"),
    [
        (lambda x: x**2 + 0 * np.sqrt(x), lambda x: 2 * x, 0.0, "right"),
        (lambda x: x**2 + 0 * np.sqrt(x), lambda x: 2 * x, 100.0, "wrong"),
        (lambda x: x**1.5 + 3 * x, lambda x: 1.5 * np.sqrt(x) + 3, 3.0, "right"),
        (lambda x: x**1.5 + 3 * x, lambda x: 1.5 * np.sqrt(x) + 3, 7.0, "wrong"),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x), 5.0, "undecided"),  # the slope there is infinite
        (np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.0, "undecided"),
    ],
)
def test_where_the_function_ends_a_claim_at_its_edge_is_judged(function, slope, claim, verdict):
    def gradient(x):
        return np.where(x > 0, slope(np.where(x > 0, x, 1)), claim)

    check = backprop.check_gradient(lambda x: np.sum(function(x)), gradient, np.array([0.0, 1.0]))
    assert check.verdict == verdict
    assert {each.kind for each in check.findings} <= {"unknown"}


def test_a_jump_has_no_derivative():
    check = backprop.check_gradient(
        lambda x: np.sum(np.where(x >= 0, 1.0, 0.0) + x**2), lambda x: 2 * x, np.array([0.0, 1.0])
    )
    assert check.verdict == "undecided"
    assert at(check) == [("x", (0,))]


def test_a_value_that_is_lost_to_rounding_may_have_a_gradient_that_is_not():
    """log(1 + exp(-60)) is 0 in float64; its derivative, -exp(-60), is a number all the same."""
    check = backprop.check_gradient(
        lambda x: np.sum(np.log(1 + np.exp(-np.asarray(x).real))),
        lambda x: -1 / (1 + np.exp(x)),
        np.full(2, 60.0),
    )
    assert check.ok, check


def test_a_kink_that_only_long_steps_can_see_is_no_evidence():
    """The noise of float32 hides the slope of |x| at 0.001 from every step that does not cross the kink."""
    point = np.array([0.001], np.float32)
    check = backprop.check_gradient(
        lambda x: np.float32(1000) + np.abs(np.float32(x[0])), np.ones(1, np.float32), point
    )
    assert check.verdict == "undecided"

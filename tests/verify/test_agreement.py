"""Agreement: an error finds what was planted, distances are symmetric, and no number agrees with nothing."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tables import DTYPES, PROPERTY, SCENARIOS

from backprop import Parameters
from backprop.parameters import Layout
from backprop.verify import Pair, gradient_error, pairs

LAYOUT = Layout((("W1", (2, 3)), ("b1", (3,))))


def gradient(values, dtype=np.float64):
    """Parameters (p,) of these values."""
    return Parameters(LAYOUT, np.array(values, dtype))


def ones(dtype=np.float64):
    """A gradient of ones."""
    return gradient(np.ones(9), dtype)


any_gradient = arrays(np.float64, 9, elements=st.floats(-1e3, 1e3)).map(gradient)


@pytest.mark.parametrize("flat", range(9))
def test_the_worst_element_is_the_planted_one(flat):
    planted = ones()
    planted.vector[flat] += 1e-3
    name, index = LAYOUT.locate(flat)
    error = gradient_error(planted, ones())
    assert error.worst == f"{name}{list(index)}"
    assert error.largest == pytest.approx(1e-3)
    assert error.relative == pytest.approx(1e-3 / 3)
    assert [tensor for tensor, own in error.per_tensor.items() if own > 0] == [name]


def test_errors_are_relative_to_the_reference():
    error = gradient_error(gradient(2 * np.ones(9)), ones())
    assert error.relative == pytest.approx(1)
    assert error.per_tensor == {"W1": pytest.approx(1), "b1": pytest.approx(1)}
    assert error.cosine == pytest.approx(1)


def test_the_cosine_is_of_the_angle():
    assert gradient_error(gradient(-np.ones(9)), ones()).cosine == pytest.approx(-1)
    orthogonal = gradient([1, -1, 1, -1, 1, -1, 1, -1, 0])
    assert gradient_error(orthogonal, ones()).cosine == pytest.approx(0, abs=1e-15)


def test_the_right_gradient_has_no_error():
    error = gradient_error(ones(), ones(np.longdouble))
    assert (error.relative, error.largest, error.cosine) == (0, 0, pytest.approx(1))


def test_an_error_below_float64_is_seen_against_a_longdouble_reference():
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("longdouble is no wider here")
    reference = ones(np.longdouble)
    reference.vector += np.longdouble(2) ** -60
    assert gradient_error(ones(), reference).relative == pytest.approx(2.0**-60)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_an_element_that_is_not_finite_is_the_worst_and_agrees_with_nothing(odd):
    planted = ones()
    planted.vector[0] = 1e6
    planted.vector[4] = odd
    with np.errstate(invalid="ignore"):
        error = gradient_error(planted, ones())
    assert error.worst == "W1[1, 1]"
    assert not error.relative <= 1e300


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1.0, 1e30, 3e37])
def test_no_norm_overflows_or_underflows(dtype, scale):
    small, large = (gradient(factor * scale * np.ones(9), dtype) for factor in (1, 2))
    assert gradient_error(large, small.astype(np.longdouble)).relative == pytest.approx(1, rel=1e-5)
    assert pairs({"a": small, "b": large}, {"a": 0, "b": 0})[0].distance == pytest.approx(0.5, rel=1e-5)


def test_zeros_agree_with_zeros_and_with_nothing_else():
    zeros = gradient(np.zeros(9))
    assert gradient_error(zeros, zeros).relative == 0
    assert gradient_error(ones(), zeros).relative == math.inf
    both, one = pairs({"a": zeros, "b": zeros, "c": ones()}, dict.fromkeys("abc", 1e-9))[:2]
    assert (both.distance, both.agrees) == (0, True)
    assert (one.distance, one.agrees) == (1, False)


@PROPERTY
@given(any_gradient, any_gradient)
def test_a_pair_is_symmetric_and_at_most_two_apart(first, second):
    there = pairs({"a": first, "b": second}, {"a": 0, "b": 0})[0].distance
    back = pairs({"b": second, "a": first}, {"a": 0, "b": 0})[0].distance
    assert there == back
    assert 0 <= there <= 2 * (1 + 1e-12)


@PROPERTY
@given(any_gradient)
def test_a_gradient_is_no_distance_from_itself(one):
    assert pairs({"a": one, "b": one.copy()}, {"a": 0, "b": 0})[0] == Pair("a", "b", 0.0, 0)


def test_every_pair_is_there_once_and_allows_the_sum_of_both_models():
    tolerances = {"a": 1.0, "b": 10.0, "c": 100.0}
    found = pairs(dict.fromkeys("abc", ones()), tolerances)
    assert [(pair.first, pair.second) for pair in found] == list(itertools.combinations("abc", 2))
    assert [pair.tolerance for pair in found] == [11, 101, 110]
    assert pairs({"a": ones()}, tolerances) == pairs({}, {}) == []


@pytest.mark.parametrize(
    ("distance", "agrees"),
    [(0.0, True), (1.0, True), (1.0000001, False), (math.nan, False), (math.inf, False)],
)
def test_a_pair_agrees_up_to_its_tolerance_and_never_without_a_number(distance, agrees):
    assert Pair("a", "b", distance, 1.0).agrees == agrees


def test_two_gradients_of_nan_disagree():
    nothing = gradient(np.full(9, np.nan))
    assert not pairs({"a": nothing, "b": nothing}, {"a": 1, "b": 1})[0].agrees


def test_a_gradient_of_another_network_is_an_error():
    other = Parameters.zeros(SCENARIOS["one-layer"].network.layout, np.float64)
    with pytest.raises((ValueError, KeyError)):
        gradient_error(other, ones())

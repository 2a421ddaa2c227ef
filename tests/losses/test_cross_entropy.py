"""The cross-entropy: on probabilities, and its short form of logits, which leaves no probability."""

import autograd
import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tables import DTYPES, PROPERTY, exact, freeze

from backprop.layers import ACTIVATIONS, Softmax
from backprop.losses import CrossEntropy, SoftmaxCrossEntropy

LOSS, SOFTMAX = CrossEntropy(), Softmax()
SHORT = LOSS.after(SOFTMAX)

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_size = pytest.mark.parametrize("size", [(1, 1), (1, 3), (5, 2), (6, 7)], ids=str)


def logits_and_labels(size, dtype, scale=2.0):
    rng = np.random.default_rng(7)
    z = (scale * rng.standard_normal(size)).astype(dtype)
    return freeze(z), freeze(rng.integers(0, size[1], size[0]))


def softmax_by_mpmath(row):
    exponentials = [mpmath.exp(exact(z)) for z in row]
    return [e / mpmath.fsum(exponentials) for e in exponentials]


@every_dtype
@every_size
def test_value_matches_mpmath(dtype, size):
    z, labels = logits_and_labels(size, dtype)
    p = SOFTMAX.forward({}, z)
    value = LOSS.value(p, labels)
    assert value.dtype == dtype
    with mpmath.workdps(50):
        expected = -mpmath.fsum(mpmath.log(exact(p[n, c])) for n, c in enumerate(labels)) / len(p)
        assert abs(exact(value) - expected) <= 8 * np.finfo(dtype).eps * max(1, expected)


@every_dtype
@every_size
def test_gradient_matches_autograd_and_is_zero_but_for_the_label(dtype, size):
    z, labels = logits_and_labels(size, dtype)
    p = freeze(SOFTMAX.forward({}, z))
    gradient = LOSS.gradient(p, labels)
    rows = np.arange(len(p))
    expected = autograd.grad(lambda p: -anp.mean(anp.log(p[rows, labels])))(p.astype(float))
    assert gradient.dtype == dtype
    assert np.count_nonzero(gradient) == len(p)
    np.testing.assert_allclose(gradient, expected, rtol=4 * np.finfo(dtype).eps)


@every_dtype
@every_size
def test_the_short_forms_value_is_the_value_of_the_softmax(dtype, size):
    z, labels = logits_and_labels(size, dtype)
    short = SHORT.value(z, labels)
    assert short.dtype == dtype
    chained = LOSS.value(SOFTMAX.forward({}, z), labels)
    assert abs(short - chained) <= 16 * np.finfo(dtype).eps * max(1, short)


@every_dtype
@every_size
def test_the_short_forms_gradient_is_the_chained_gradient(dtype, size):
    z, labels = logits_and_labels(size, dtype)
    value, delta = SHORT.value_and_gradient(z, labels)
    p = SOFTMAX.forward({}, z)
    chained, _ = SOFTMAX.vjp({}, z, p, LOSS.gradient(p, labels))
    assert delta.dtype == value.dtype == dtype
    assert abs(value - SHORT.value(z, labels)) <= 4 * np.finfo(dtype).eps * max(1, value)
    np.testing.assert_allclose(delta, chained, rtol=0, atol=8 * np.finfo(dtype).eps)


@every_dtype
@every_size
def test_the_short_forms_gradient_may_be_written_over_the_logits(dtype, size):
    z, labels = logits_and_labels(size, dtype)
    expected_value, expected = SHORT.value_and_gradient(z, labels)
    shared, other = z.copy(), np.full_like(z, np.nan)
    for out in (shared, other):
        value, delta = SHORT.value_and_gradient(shared if out is shared else z, labels, out=out)
        assert delta is out
        assert value == expected_value
        np.testing.assert_array_equal(delta, expected)


@every_dtype
def test_the_short_form_matches_mpmath_for_logits_of_ten_thousand(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 9999], [-1e4, -1e4, -1e4], [3, 1, 2]], dtype)
    labels = np.array([1, 2, 0, 2])
    value, delta = SHORT.value_and_gradient(z, labels)
    eps = float(np.finfo(dtype).eps)
    with mpmath.workdps(50):
        p = [softmax_by_mpmath(row) for row in z]
        expected = -mpmath.fsum(mpmath.log(p[n][c]) for n, c in enumerate(labels)) / len(z)
        for got in (value, SHORT.value(z, labels)):
            assert abs(exact(got) - expected) <= 4 * eps * expected
        for n, c in np.ndindex(z.shape):
            slope = (p[n][c] - int(labels[n] == c)) / len(z)
            assert abs(exact(delta[n, c]) - slope) <= 4 * eps


@PROPERTY
@given(
    dtype=st.sampled_from(DTYPES),
    z=arrays("float32", (3, 4), elements=st.floats(-1e4, 1e4, width=32)),
    labels=arrays("int64", 3, elements=st.integers(0, 3)),
)
def test_the_short_form_is_finite_for_any_logits(dtype, z, labels):
    z = z.astype(dtype)
    value, delta = SHORT.value_and_gradient(z, labels)
    assert np.isfinite(value)
    assert value >= 0
    assert np.isfinite(delta).all()
    assert np.abs(delta.sum(axis=1)).max() <= 8 * np.finfo(dtype).eps


def test_a_probability_that_has_underflowed_costs_infinitely_much_without_a_warning():
    p = np.array([[1.0, 0.0]])
    assert LOSS.value(p, np.array([1])) == np.inf
    assert LOSS.gradient(p, np.array([1]))[0, 1] == -np.inf


def test_only_a_softmax_is_followed_by_a_short_form():
    assert isinstance(SHORT, SoftmaxCrossEntropy)
    assert [name for name, layer in ACTIVATIONS.items() if LOSS.after(layer()) is not None] == ["softmax"]
    assert all(SHORT.after(layer()) is None for layer in ACTIVATIONS.values())


def test_certainty_costs_nothing():
    assert SHORT.value(np.array([[800.0, 0.0]]), np.array([0])) == 0

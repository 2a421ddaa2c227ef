"""The cross-entropy: on probabilities, and its short form of logits, which leaves no probability."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tables import DTYPES, PROPERTY, exact

from backprop.layers import ACTIVATIONS, Softmax
from backprop.losses import CrossEntropy, SoftmaxCrossEntropy

LOSS = CrossEntropy()
SHORT = LOSS.after(Softmax())

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def softmax_by_mpmath(row):
    exponentials = [mpmath.exp(exact(z)) for z in row]
    return [e / mpmath.fsum(exponentials) for e in exponentials]


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

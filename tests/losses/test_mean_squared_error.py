"""The mean squared error is a mean over samples and classes alike."""

import autograd
import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact, freeze

from backprop.layers import ACTIVATIONS
from backprop.losses import MeanSquaredError

LOSS = MeanSquaredError()

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_size = pytest.mark.parametrize("size", [(4, 1), (1, 3), (5, 2), (6, 7)], ids=str)


def outputs_and_labels(size, dtype):
    rng = np.random.default_rng(7)
    y = (2 * rng.standard_normal(size)).astype(dtype)
    return freeze(y), freeze(rng.integers(0, LOSS.label_classes(size[1]), size[0]))


def targets(size, labels):
    """One-hot labels (n, c); of a single output the labels themselves."""
    return labels[:, None] if size[1] == 1 else np.eye(size[1])[labels]


def test_it_is_the_mean_over_samples_and_classes():
    y = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    labels = np.array([0, 1])
    # residuals 0, 2, 0 and 0, -1, 5
    assert LOSS.value(y, labels) == (4 + 1 + 25) / 6
    np.testing.assert_allclose(LOSS.gradient(y, labels), np.array([[0, 4, 0], [0, -2, 10]]) / 6, rtol=1e-15)


@every_dtype
@every_size
def test_value_matches_mpmath(dtype, size):
    y, labels = outputs_and_labels(size, dtype)
    value = LOSS.value(y, labels)
    assert value.dtype == dtype
    with mpmath.workdps(50):
        t = targets(size, labels)
        squares = [(exact(y[n, c]) - int(t[n, c])) ** 2 for n, c in np.ndindex(y.shape)]
        expected = mpmath.fsum(squares) / y.size
        assert abs(exact(value) - expected) <= 8 * np.finfo(dtype).eps * expected


@every_dtype
@every_size
def test_gradient_matches_autograd(dtype, size):
    y, labels = outputs_and_labels(size, dtype)
    t = targets(size, labels)
    expected = autograd.grad(lambda y: anp.mean((y - t) ** 2))(y.astype(float))
    gradient = LOSS.gradient(y, labels)
    assert gradient.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(gradient, expected, rtol=4 * eps, atol=4 * eps / y.size)


def test_it_has_no_closed_form_with_an_output_layer():
    assert all(LOSS.after(layer()) is None for layer in ACTIVATIONS.values())

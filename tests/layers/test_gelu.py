"""The Gaussian error linear unit against 50 digits, in the tails and in longdouble."""

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact

from backprop.layers import GELU
from backprop.layers.gelu import normal_distribution

POINTS = [-40, -12.5, -9, -5, -1, -0.7517916243, -0.3, -1e-8, 0, 1e-30, 0.1, 0.5, 1, 2, 5.5, 8, 11.9, 30]


def value(x):
    return x * mpmath.ncdf(x)


def slope(x):
    return mpmath.ncdf(x) + x * mpmath.npdf(x)


def largest_error(got, function, points):
    """max |got - f(x)| / max(1, |f(x)|), evaluated with 50 digits."""
    with mpmath.workdps(50):
        expected = [function(exact(x)) for x in points]
        return max(abs(exact(a) - b) / max(1, abs(b)) for a, b in zip(np.ravel(got), expected, strict=True))


@pytest.mark.parametrize("dtype", [*DTYPES, "longdouble"])
def test_values_and_slopes_match_mpmath(dtype):
    x = np.array([POINTS], dtype)
    y = GELU().forward({}, x)
    derivative = GELU().input_jacobian({}, x, y)[0].diagonal()
    assert y.dtype == derivative.dtype == dtype
    eps = np.finfo(dtype).eps
    digits = 16 if dtype == "longdouble" else 8  # left of zero its Φ is right to eps, which x multiplies
    assert largest_error(y, value, x[0]) <= digits * float(eps)
    assert largest_error(derivative, slope, x[0]) <= digits * float(eps)


def test_the_longdouble_series_is_right_to_the_last_digits_from_end_to_end():
    x = np.linspace(-15, 15, 241).astype(np.longdouble)
    assert largest_error(normal_distribution(x), mpmath.ncdf, x) <= 4 * float(np.finfo(np.longdouble).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_finite_for_inputs_of_ten_thousand(dtype):
    x = np.array([[-1e4, -100, 100, 1e4]], dtype)
    y = GELU().forward({}, x)
    np.testing.assert_array_equal(y, [[0, 0, 100, 1e4]])
    np.testing.assert_array_equal(GELU().input_jacobian({}, x, y)[0].diagonal(), [0, 0, 1, 1])

"""The logistic sigmoid where e⁻ˣ overflows."""

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact

from backprop.layers import Sigmoid


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_slopes_match_mpmath_for_large_inputs(dtype):
    x = np.array([[-80, -40, -3, -1e-3, 0, 1e-8, 0.5, 17, 40]], dtype)
    y = Sigmoid().forward({}, x)
    slope = Sigmoid().input_jacobian({}, x, y)[0].diagonal()
    eps = np.finfo(dtype).eps
    with mpmath.workdps(50):
        for got_y, got_slope, at in zip(y[0], slope, x[0], strict=True):
            expected = 1 / (1 + mpmath.exp(-exact(at)))
            assert abs(exact(got_y) - expected) <= 4 * eps * expected  # in relative terms, tail included
            assert abs(exact(got_slope) - expected * (1 - expected)) <= 4 * eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_neither_overflows_nor_warns(dtype):
    x = np.array([[-1e4, -800, 800, 1e4]], dtype)
    y = Sigmoid().forward({}, x)
    np.testing.assert_array_equal(y, [[0, 0, 1, 1]])
    np.testing.assert_array_equal(Sigmoid().input_jacobian({}, x, y), np.zeros((1, 4, 4)))

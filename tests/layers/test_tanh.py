"""The hyperbolic tangent where it saturates."""

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact

from backprop.layers import Tanh


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_slopes_match_mpmath_from_the_middle_to_the_ends(dtype):
    x = np.array([[-1e4, -30, -3, -1e-3, 0, 1e-8, 0.5, 9, 1e4]], dtype)
    y = Tanh().forward({}, x)
    slope = Tanh().input_jacobian({}, x, y)[0].diagonal()
    eps = np.finfo(dtype).eps
    with mpmath.workdps(50):
        for got_y, got_slope, at in zip(y[0], slope, x[0], strict=True):
            assert abs(exact(got_y) - mpmath.tanh(exact(at))) <= 4 * eps * abs(got_y)
            assert abs(exact(got_slope) - mpmath.sech(exact(at)) ** 2) <= 4 * eps

"""The rectified linear unit at its kink."""

import numpy as np
import pytest
from tables import DTYPES

from backprop.layers import ReLU


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_is_zero_at_zero_and_one_for_the_smallest_number_above(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([[-1.0, -tiny, -0.0, 0.0, tiny, 1.0]], dtype)
    y = ReLU().forward({}, x)
    np.testing.assert_array_equal(y, [[0, 0, 0, 0, tiny, 1]])
    slope = ReLU().input_jacobian({}, x, y)[0].diagonal()
    np.testing.assert_array_equal(slope, [0, 0, 0, 0, 1, 1])
    assert slope.dtype == dtype

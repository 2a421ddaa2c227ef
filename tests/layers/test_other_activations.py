"""The leaky ReLU, the SiLU and the softplus at numbers where they are known, and far from zero."""

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact

from backprop.layers import find_activation

LEAKY, SILU, SOFTPLUS = (
    find_activation("activation", name)(1) for name in ("leaky-relu", "silu", "softplus")
)
X = np.array([[-100.0, -30.0, -1.0, 0.0, 1.0, 30.0, 100.0]])


def test_a_leaky_relu_has_a_hundredth_of_the_slope_left_of_zero_and_at_zero():
    assert LEAKY.forward({}, X).tolist() == [[-1.0, -0.3, -0.01, 0.0, 1.0, 30.0, 100.0]]
    assert LEAKY.derivative(X, LEAKY.forward({}, X)).tolist() == [[0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0]]
    assert (LEAKY.kinks, LEAKY.smooth) == ((0.0,), False)


FORMULAS = {
    "silu": (
        SILU,
        lambda x: x / (1 + mpmath.exp(-x)),
        lambda x: 1 / (1 + mpmath.exp(-x)) + x * mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2,
    ),
    "softplus": (
        SOFTPLUS,
        lambda x: mpmath.log1p(mpmath.exp(x)),
        lambda x: 1 / (1 + mpmath.exp(-x)),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [*DTYPES, "longdouble"])
def test_values_and_slopes_match_mpmath_far_from_zero(name, dtype):
    layer, value, slope = FORMULAS[name]
    x = X.astype(dtype)
    y = layer.forward({}, x)
    got, eps = layer.derivative(x, y), float(np.finfo(dtype).eps)
    tiny = float(np.finfo(np.float32 if dtype == "float32" else np.float64).tiny)
    with mpmath.workdps(50):
        for k, point in enumerate(x[0]):
            for number, formula in ((y[0, k], value), (got[0, k], slope)):
                expected = formula(exact(point))
                assert abs(exact(number) - expected) <= 32 * eps * max(abs(expected), 1e-8) + tiny

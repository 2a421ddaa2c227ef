"""Each activation at numbers where it is known: at its kink, in its tails, and against 50 digits."""

from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from tables import DTYPES, exact

from backprop.layers import find_activation
from backprop.layers.gelu import normal_distribution

POINTS = (-100, -40, -12.5, -9, -5, -3, -1, -0.7517916243, -0.3, -1e-3, -1e-8, 0, 1e-30, 1e-8, 0.1)
POINTS += (0.5, 1, 2, 5.5, 8, 11.9, 17, 30, 100)


def activation(name):
    return find_activation("activation", name)(1)


def logistic(x):
    return 1 / (1 + mpmath.exp(-x))


class Case(NamedTuple):
    """f and f', the multiple of eps that both may err by, and the sizes below which that is no longer relative."""

    value: Any
    slope: Any
    digits: int
    least: tuple


CASES = {
    "gelu": Case(lambda x: x * mpmath.ncdf(x), lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x), 16, (1, 1)),
    "sigmoid": Case(logistic, lambda x: logistic(x) * logistic(-x), 4, (0, 1)),
    "tanh": Case(mpmath.tanh, lambda x: mpmath.sech(x) ** 2, 4, (0, 1)),
    "silu": Case(lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x)), 32, (1e-8, 1e-8)),
    "softplus": Case(lambda x: mpmath.log1p(mpmath.exp(x)), logistic, 32, (1e-8, 1e-8)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [*DTYPES, "longdouble"])
def test_values_and_slopes_match_mpmath(name, dtype):
    case, layer, x = CASES[name], activation(name), np.array([POINTS], dtype)
    y = layer.forward({}, x)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(np.float32 if dtype == "float32" else float).tiny)
    with mpmath.workdps(50):
        for got, function, least in zip(
            (y, layer.derivative(x, y)), (case.value, case.slope), case.least, strict=True
        ):
            assert got.dtype == dtype
            for number, point in zip(got[0], x[0], strict=True):
                expected = function(exact(point))
                bound = case.digits * eps * max(abs(expected), least) + tiny
                assert abs(exact(number) - expected) <= bound, point


def test_the_longdouble_series_of_gelu_is_right_to_the_last_digits_from_end_to_end():
    x = np.linspace(-15, 15, 241).astype(np.longdouble)
    with mpmath.workdps(50):
        for got, point in zip(normal_distribution(x), x, strict=True):
            assert abs(exact(got) - mpmath.ncdf(exact(point))) <= 4 * float(np.finfo(np.longdouble).eps)


FAR = {  # x, f(x) and f'(x)
    "gelu": ([-1e4, -100, 100, 1e4], [0, 0, 100, 1e4], [0, 0, 1, 1]),
    "sigmoid": ([-1e4, -800, 800, 1e4], [0, 0, 1, 1], [0, 0, 0, 0]),
    "tanh": ([-1e4, -100, 100, 1e4], [-1, -1, 1, 1], [0, 0, 0, 0]),
    "leaky-relu": ([-100, -1, 0, 30], [-1, -0.01, 0, 30], [0.01, 0.01, 0.01, 1]),
}


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_neither_overflows_nor_warns_far_from_zero(name, dtype):
    x, value, slope = (np.array([numbers], dtype) for numbers in FAR[name])
    y = activation(name).forward({}, x)
    np.testing.assert_array_equal(y, value)
    np.testing.assert_array_equal(activation(name).derivative(x, y), slope)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_of_relu_is_zero_at_zero_and_one_for_the_smallest_number_above(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([[-1.0, -tiny, -0.0, 0.0, tiny, 1.0]], dtype)
    y = activation("relu").forward({}, x)
    np.testing.assert_array_equal(y, [[0, 0, 0, 0, tiny, 1]])
    slope = activation("relu").input_jacobian({}, x, y)[0].diagonal()
    np.testing.assert_array_equal(slope, [0, 0, 0, 0, 1, 1])
    assert slope.dtype == dtype

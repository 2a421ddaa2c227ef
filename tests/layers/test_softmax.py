"""The softmax for logits far beyond what exp can take."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tables import DTYPES, PROPERTY, exact

from backprop.layers import Softmax

EXTREME = [
    [1e4, -1e4, 0, 3],
    [-1e4, -1e4, -1e4, -1e4],
    [1e4, 1e4, 9.999e3, -1e4],
    [9999, 9998, 9997, 9990],
    [0, 0, 0, 0],
]


def probabilities(row):
    exponentials = [mpmath.exp(exact(z)) for z in row]
    return [e / mpmath.fsum(exponentials) for e in exponentials]


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_matches_mpmath_for_logits_of_ten_thousand(dtype):
    z = np.array(EXTREME, dtype)
    p = Softmax().forward({}, z)
    eps = float(np.finfo(dtype).eps)
    assert np.isfinite(p).all()
    with mpmath.workdps(50):
        for got, row in zip(p, z, strict=True):
            for a, b in zip(got, probabilities(row), strict=True):
                assert abs(exact(a) - b) <= 8 * eps * b + float(np.finfo(dtype).tiny)


@PROPERTY
@given(
    z=arrays(
        "float32",
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_add_up_to_one_for_any_logits(dtype, z):
    p = Softmax().forward({}, z.astype(dtype))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=8 * np.finfo(dtype).eps)

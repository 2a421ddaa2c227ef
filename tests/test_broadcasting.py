"""Outer products equal NumPy's, and the buffer of its ufuncs is given back as it was."""

from contextlib import nullcontext

import numpy as np
import pytest
from over import over

from backprop.broadcasting import multiply_outer, outer_product, short_buffers


@pytest.mark.parametrize(
    ("multiply", "within"), [(outer_product, nullcontext), (multiply_outer, short_buffers)]
)
@over(dtype=("float32", "float64", "object"), leading=((), (1,), (3, 2)), o=(1, 10, 255, 256, 1000))
def test_an_outer_product_is_every_number_times_every_row(o, leading, dtype, multiply, within):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(7).astype(dtype), rng.standard_normal((*leading, o)).astype(dtype)
    out = np.empty((*leading, 7, o), dtype)
    with within():
        multiply(x, y, out=out)
    np.testing.assert_array_equal(out, x[:, None] * y[..., None, :])


def test_an_outer_product_fills_a_part_of_a_larger_array():
    x, y, out = np.arange(4.0), np.arange(600.0).reshape(2, 300), np.zeros((2, 9, 300))
    outer_product(x, y, out=out[:, 3:7])
    np.testing.assert_array_equal(out[:, 3:7], x[:, None] * y[:, None, :])
    assert not out[:, :3].any()
    assert not out[:, 7:].any()


def test_buffers_are_short_within_and_then_the_callers_own():
    before = np.setbufsize(4096)
    try:
        with short_buffers():
            assert np.getbufsize() == 256
        assert np.getbufsize() == 4096
        with pytest.raises(ZeroDivisionError), short_buffers():
            raise ZeroDivisionError
        assert np.getbufsize() == 4096
    finally:
        np.setbufsize(before)


def test_floating_point_errors_stay_as_the_caller_treats_them():
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        outer_product(np.array([1e300]), np.full(300, 1e300), out=np.empty((1, 300)))

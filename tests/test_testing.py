"""`assert_gradient` passes right gradients and fails with the printed check for others."""

import numpy as np
import pytest

from backprop.errors import CheckError
from backprop.testing import assert_gradient

POINT = np.array([1.0, -2.0, 3.0])


def square(x):
    return np.sum(x**2)


def test_a_right_gradient_passes_and_the_check_is_returned():
    assert assert_gradient(square, lambda x: 2 * x, POINT).ok
    assert assert_gradient(lambda x: x**2, point=POINT, jacobian=lambda x: np.diag(2 * x)).ok


def test_a_wrong_gradient_fails_with_what_is_wrong():
    with pytest.raises(AssertionError, match=r"(?s)The gradient is wrong\..*x: sign \(certain\)"):
        assert_gradient(square, lambda x: -2 * x, POINT)


def test_an_undecided_gradient_fails_unless_it_may():
    def step(x):
        return np.sum(np.where(x >= 0, 1.0, 0.0))

    with pytest.raises(AssertionError, match="undecided"):
        assert_gradient(step, np.zeros_like, np.array([0.0, 1.0]))
    assert not assert_gradient(step, np.zeros_like, np.array([0.0, 1.0]), allow_undecided=True).ok


def test_what_cannot_be_checked_is_no_failed_assertion():
    with pytest.raises(CheckError):
        assert_gradient(square, lambda x: None, POINT)

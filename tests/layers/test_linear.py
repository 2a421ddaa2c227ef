"""The linear layer, against numbers worked out by hand."""

import numpy as np
import pytest
from tables import sentence

from backprop.errors import NetworkError
from backprop.layers import Linear

W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = np.array([0.5, -0.5, 1.0])
X = np.array([[1.0, -1.0], [2.0, 0.0]])
PARAMS = {"W": W, "b": B}
Y = np.array([[-2.5, -3.5, -2.0], [2.5, 3.5, 7.0]])


def test_forward_is_the_matrix_product_and_the_bias():
    np.testing.assert_array_equal(Linear(2, 3).forward(PARAMS, X), Y)


def test_vjp_sums_over_the_samples():
    dy = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    dx, own = Linear(2, 3).vjp(PARAMS, X, Y, dy)
    np.testing.assert_array_equal(dx, [[7, 16], [-1, -1]])
    np.testing.assert_array_equal(own["W"], [[1, 2, 0], [-1, 0, -2]])
    np.testing.assert_array_equal(own["b"], [1, 1, 1])


def test_operations_are_those_of_the_matrix_products():
    layer = Linear(4, 3)
    assert layer.forward_flops(5, 4, 3) == 2 * 5 * 4 * 3 + 5 * 3
    assert layer.vjp_flops(5, 4, 3, input_needed=False) == 2 * 5 * 4 * 3 + 5 * 3
    assert layer.vjp_flops(5, 4, 3, input_needed=True) == 4 * 5 * 4 * 3 + 5 * 3


def test_another_width_is_refused():
    with pytest.raises(NetworkError) as caught:
        Linear(4, 3).output_width(5)
    assert "5" in sentence(caught.value)

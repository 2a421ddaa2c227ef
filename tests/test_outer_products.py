"""The array of outer products equals the plain product, whatever the batch before it has written."""

import numpy as np
import pytest

from backprop.outer_products import OuterProducts


def plain(x, jacobian):
    return x[:, None, :, None] * jacobian[:, :, None, :]


def batch(rng, n, c, i, o, share, dtype):
    x = rng.standard_normal((n, i)) * (rng.random((n, i)) < share)
    return x.astype(dtype), rng.standard_normal((n, c, o)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("o", [3, 64])
@pytest.mark.parametrize("n", [1, 5])
def test_every_batch_gives_the_plain_product_to_the_last_bit(n, o, dtype):
    rng = np.random.default_rng(0)
    products = OuterProducts(np.zeros((n, 4, 30, o), dtype))
    for share in (0.2, 0.9, 0.0, 1.0, 0.1):  # what one batch writes, another must clear
        x, jacobian = batch(rng, n, 4, 30, o, share, dtype)
        products.update(x, jacobian)
        np.testing.assert_array_equal(products.array, plain(x, jacobian))


def test_rows_of_zero_inputs_are_not_written():
    rng = np.random.default_rng(1)
    array = np.zeros((2, 3, 10, 64))
    products = OuterProducts(array)
    x, jacobian = batch(rng, 2, 3, 10, 64, 1.0, "float64")
    x[:, 4] = 0
    array[:, :, 4] = 7.0  # nobody has a reason to touch it
    products.update(x, jacobian)
    assert (array[:, :, 4] == 7.0).all()
    np.testing.assert_array_equal(np.delete(array, 4, axis=2), np.delete(plain(x, jacobian), 4, axis=2))
